"""Telling somebody that a limit is near, or reached: once in its period, on record."""

import threading
import time
from collections.abc import Iterable

from accounts import audit
from accounts.models import AuditRecord
from chat.costs.limits import Standing
from chat.notifications import Notification, announce
from project.lib.db import write_transaction

NEAR = 0.8
WARNED = "spending_warned"
REACHED = "spending_limit_reached"
JOB_NAME = "Spending limit"

#: What this process knows to have been told already.
_told: set[tuple[str, ...]] = set()
_lock = threading.Lock()
_REMEMBERED = 10_000


def warn_of(standings: Iterable[Standing]) -> None:
    """Warn of each limit of which four fifths or all is spent, unless that was done before."""
    for standing in standings:
        if standing.cap_usd and standing.spent_usd >= NEAR * standing.cap_usd:
            _once(WARNED, standing)
            if standing.is_reached:
                _once(REACHED, standing)


def _once(kind: str, standing: Standing) -> None:
    since = standing.since.isoformat() if standing.since else ""
    key = (kind, standing.limit_id, standing.user_id, f"{standing.cap_usd}", since)
    with _lock:
        if key in _told:
            return
    with write_transaction():
        audit.lock_head()  # two processes that notice at once meet here
        if not _is_on_record(kind, standing):
            _tell(kind, standing)
    with _lock:
        if len(_told) >= _REMEMBERED:
            _told.clear()  # the record knows
        _told.add(key)


def _is_on_record(kind: str, standing: Standing) -> bool:
    """A limit that was changed since is another one."""
    since_ns = int(standing.since.timestamp() * 1e9) if standing.since else 0
    records = AuditRecord.objects.filter(
        fact_kind=kind, actor=standing.user_id, ts__range=(since_ns, time.time_ns())
    )
    facts = (record.event["fact"] for record in records)
    return any(
        (fact["limit_id"], fact["cap_usd"]) == (standing.limit_id, standing.cap_usd)
        for fact in facts
    )


def _tell(kind: str, standing: Standing) -> None:
    announce(Notification(standing.user_id, JOB_NAME, "", text_of(kind, standing), success=False))
    audit.record(
        kind,
        actor=standing.user_id,
        pack_id=audit.RUNTIME,
        durable=True,
        limit_id=standing.limit_id,
        api_key_id=standing.api_key_id,
        period=standing.period,
        cap_usd=standing.cap_usd,
        spent_usd=round(standing.spent_usd, 6),
    )


def text_of(kind: str, standing: Standing) -> str:
    if kind == REACHED:
        return f"Spending limit reached: {standing.words}. No model is called any more."
    return f"{standing.spent_usd:.4g} USD are spent, more than 80 % of the limit: {standing.words}."
