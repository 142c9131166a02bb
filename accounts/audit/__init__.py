"""The audit trail: every authentication and capability decision, every administrative change.

`record` is called on every request, so a decision that let somebody pass is only queued; one
background thread chains and stores the queue about every `STARPORT_AUDIT_FLUSH_MS`. Refusals and
changes are `durable`: stored before the answer, in the caller's transaction if there is one. Under
a profile that requires the trail everything is.
"""

import logging
import time
from collections.abc import Sequence
from functools import partial

from django.conf import settings
from django.db import DatabaseError, transaction

from accounts.audit.chain import append, lock_head, verify
from accounts.audit.queue import AuditQueue
from accounts.audit.records import ADMINISTRATION, ARTIFACTS, GATE, RUNTIME, Fact, shortened
from accounts.profiles import PROFILES

__all__ = [
    "ADMINISTRATION",
    "ARTIFACTS",
    "GATE",
    "RUNTIME",
    "Fact",
    "fact",
    "flush",
    "lock_head",
    "record",
    "record_decision",
    "record_together",
    "shortened",
    "verify",
]

logger = logging.getLogger(__name__)

_queue = AuditQueue()


def record(
    kind: str,
    *,
    actor: str | None,
    run_id: str = "",
    pack_id: str = GATE,
    durable: bool = False,
    **facts: object,
) -> None:
    """Record one fact; `facts` are the further fields of the record's `fact`, JSON values.

    Call it from synchronous code. A fact that is not durable and is recorded inside a transaction
    counts once that commits; a durable one commits with it, and locks the head of the chain until
    then, so record it last.
    """
    recorded = Fact(time.time_ns(), kind, actor, run_id, pack_id, facts)
    if durable or not settings.STARPORT_AUDIT_FLUSH_MS or _is_required():
        append([recorded])
    elif transaction.get_connection().in_atomic_block:
        # The background thread would wait for this transaction on SQLite; and what is rolled
        # back did not happen.
        transaction.on_commit(partial(_queue.put, recorded))
    else:
        _queue.put(recorded)


def record_together(facts: Sequence[Fact]) -> None:
    """Store several durable facts of one transaction at once. Call it last: see `record`."""
    if facts:
        append(facts)


def fact(kind: str, *, actor: str | None, pack_id: str, **details: object) -> Fact:
    """Something that happened now, to `record_together`."""
    return Fact(time.time_ns(), kind, actor, "", pack_id, details)


def _is_required() -> bool:
    return PROFILES[settings.STARPORT_PROFILE].audit_required


def record_decision(
    kind: str,
    *,
    actor: str | None,
    run_id: str = "",
    durable: bool = True,
    **facts: str | int | None,
) -> None:
    """Record who was let in or turned away, before they are told.

    The decision stands when the record cannot be written.
    """
    try:
        record(kind, actor=actor, run_id=run_id, pack_id=GATE, durable=durable, **facts)
    except DatabaseError:
        logger.exception("a decision could not be recorded")


def flush() -> None:
    """Return when everything recorded so far is stored. Called when the process drains."""
    _queue.flush()
