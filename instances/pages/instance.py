"""What the page of one instance tells."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from django.http import Http404
from django.utils import timezone

from accounts import capabilities
from accounts.principals import Principal
from instances import operator_settings
from instances.backends import is_configured
from instances.models import Instance, RestartAttempt, StatusChange
from instances.objects import Status, is_instance_id
from instances.pages.commands import COMMANDS, Command
from instances.pages.formats import (
    Moment,
    megabytes,
    moment,
    moment_of,
    names_of,
    span,
    web_address,
)
from instances.pages.samples import Period, charts, measure
from instances.pages.standing import (
    attempts_of,
    backend_state,
    group_of,
    refresh_seconds,
    restarts_in_words,
    told_why,
    unmeasured_since,
    why_of,
)
from instances.services.restarts import INTERRUPTED

PERIODS = {
    "1h": Period("the last hour", 3600, 60),
    "6h": Period("the last 6 hours", 6 * 3600, 120),
    "24h": Period("the last 24 hours", 24 * 3600, 120),
    "72h": Period("the last 3 days", 72 * 3600, 144),
}
DEFAULT_PERIOD = "1h"
SHOWN_CHANGES = 50
SHOWN_ATTEMPTS = 20
LOG_TAIL = 100
DOWNLOADED_TAIL = 10_000

_OFFERED = {
    Status.CREATING: ("kill",),
    Status.RUNNING: ("pause", "restart", "kill"),
    Status.PAUSED: ("restart", "kill"),
    Status.ERROR: ("restart", "pause", "kill"),
    Status.STOPPED: (),
}


@dataclass(frozen=True, slots=True)
class ChangeRow:
    at: Moment
    previous: str
    status: str
    cause: str
    actor: str
    detail: str


@dataclass(frozen=True, slots=True)
class AttemptRow:
    at: Moment
    outcome: str
    error: str


def find_instance(instance_id: str) -> Instance:
    """As remembered, with why it is so. Raises `Http404`."""
    row = None
    if is_instance_id(instance_id):
        row = told_why(Instance.objects.filter(pk=instance_id)).first()
    if row is None:
        raise Http404(f"no instance {instance_id} is known")
    return row


def instance_context(caller: Principal, row: Instance, period_name: str) -> dict[str, Any]:
    now, rules = timezone.now(), operator_settings.read()
    name = period_name if period_name in PERIODS else DEFAULT_PERIOD
    period = PERIODS[name]
    attempts = attempts_of([row.pk], now).get(row.pk)
    changes = list(row.changes.all()[:SHOWN_CHANGES])
    names = names_of({change.actor for change in changes} | {getattr(row, "last_actor", None)})
    actor = getattr(row, "last_actor", "") or ""
    unmeasured = unmeasured_since(row, rules, now)
    return {
        "title": f"Instance {row}",
        "instance": row,
        "group": group_of(row, attempts, unmeasured),
        "why": why_of(row, getattr(row, "last_cause", None), names.get(actor, actor), unmeasured),
        "unmeasured": unmeasured,
        "since": moment(row.status_since, now),
        "heartbeat": None if row.last_heartbeat is None else moment_of(row.last_heartbeat, now),
        "heartbeat_timeout": rules.heartbeat_timeout,
        "facts": _facts(row),
        "created": moment_of(row.created_at, now),
        "seen": moment(row.last_seen_at, now),
        "web_url": web_address(row.web_url),
        "restarts": restarts_in_words(attempts, rules) or f"0 of {rules.restarts_per_hour}",
        "auto_restart": rules.auto_restart,
        "backend": backend_state([row], rules, now) if row.is_listed else None,
        "charts": charts(measure([row.pk], period, now)[row.pk], period, rules),
        "period_name": name,
        "period": period,
        "periods": list(PERIODS),
        "changes": _changes(changes, names, now),
        "attempts": _attempts(row, now),
        "commands": _commands(caller, row),
        "refresh_seconds": refresh_seconds(rules),
        **_log_addresses(row),
    }


def _facts(row: Instance) -> list[tuple[str, str]]:
    facts = [("region", row.region or "–"), ("backend", row.backend)]
    health = row.health
    if health is None:
        return facts
    return [
        ("CPU", f"{health.cpu_percent:.1f} %"),
        ("memory", megabytes(health.memory_mb)),
        ("disk", megabytes(health.disk_mb)),
        ("uptime", span(health.uptime_secs)),
        *facts,
    ]


def _changes(
    changes: Sequence[StatusChange], names: dict[str, str], now: datetime
) -> list[ChangeRow]:
    return [
        ChangeRow(
            at=moment(change.at, now),
            previous=change.previous,
            status=change.status,
            cause=change.cause,
            actor=names.get(change.actor, change.actor),
            detail=change.detail,
        )
        for change in changes
    ]


def _attempts(row: Instance, now: datetime) -> list[AttemptRow]:
    return [
        AttemptRow(moment(attempt.at, now), _outcome(attempt), attempt.error)
        for attempt in row.restart_attempts.all()[:SHOWN_ATTEMPTS]
    ]


def _outcome(attempt: RestartAttempt) -> str:
    if attempt.error == INTERRUPTED:  # as it is written before the backend is asked
        return "under way or interrupted"
    return "taken by the backend" if attempt.succeeded else "failed"


def _commands(caller: Principal, row: Instance) -> list[Command]:
    """What makes sense now, for whoever may do it. The backend has the last word."""
    if not (caller.can(capabilities.INSTANCES_MANAGE) and is_configured() and row.is_listed):
        return []
    return [COMMANDS[name] for name in _OFFERED[Status(row.status)]]


def _log_addresses(row: Instance) -> dict[str, str]:
    """Of the gateway's route; none for an instance that no backend has."""
    if not (is_configured() and row.is_listed):
        return {"log_url": "", "download_url": ""}
    route = f"/api/instances/{quote(row.pk, safe='')}/logs"
    return {
        "log_url": f"{route}?follow=1&tail={LOG_TAIL}",
        "download_url": f"{route}?download=1&tail={DOWNLOADED_TAIL}",
    }
