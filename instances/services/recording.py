"""Remembering what the backend said: rows, changes of status, their audit records and their news.

Whatever learns something about an instance comes here with it: the routes, the commands, the
monitor. So a change is noticed once, whoever sees it first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from accounts import audit
from instances.models import Instance, StatusChange
from instances.objects import Health, Report, Status
from instances.signals import instance_changed, send_on_commit
from project.lib.db import write_transaction

Cause = StatusChange.Cause

HEALTH_COLUMNS = ("cpu_percent", "memory_mb", "disk_mb", "last_heartbeat", "uptime_secs")
MONITOR = "instances.monitor"  # who is recorded as having done what nobody asked for


@dataclass(frozen=True, slots=True)
class Change:
    """One change of status, as receivers get it."""

    instance_id: str
    name: str  # "" for one without
    previous: Status | None  # none before
    status: Status
    cause: StatusChange.Cause
    detail: str
    at: datetime
    health: Health | None


@dataclass(frozen=True, slots=True)
class _Verdict:
    """The status an instance ought to have, and why."""

    status: Status
    cause: StatusChange.Cause
    why: str = ""
    actor: str = ""


def remember_list(backend: str, reports: Sequence[Report]) -> None:
    """All that `backend` knows. What it does not list any more counts as stopped."""
    now = timezone.now()
    with write_transaction():
        known = {row.id: row for row in Instance.objects.select_for_update().order_by("id")}
        for report in reports:
            _take_in(known.get(report.id), backend, report, now)
        listed = {report.id for report in reports}
        for row in known.values():
            if row.backend == backend and row.is_listed and row.id not in listed:
                _forgotten(row, now)


def remember(backend: str, report: Report, *, actor: str = "") -> None:
    """One instance as it is now; `actor` when it is so by somebody's command."""
    with write_transaction():
        row = Instance.objects.select_for_update().filter(pk=report.id).first()
        _take_in(row, backend, report, timezone.now(), actor=actor)


def remember_command(instance_id: str, status: Status, *, actor: str) -> None:
    """The backend did what somebody asked for and said no more than that."""
    with write_transaction():
        row = Instance.objects.select_for_update().filter(pk=instance_id).first()
        if row is None:
            return  # the next list has it
        row.reported_status = status.value
        row.stale_since = None
        row.is_listed = status is not Status.STOPPED
        _settle(row, _Verdict(status, Cause.COMMAND, actor=actor), timezone.now())


def remember_missing(instance_id: str) -> None:
    """The backend was asked for one instance and has none of that id."""
    with write_transaction():
        row = Instance.objects.select_for_update().filter(pk=instance_id, is_listed=True).first()
        if row is not None:
            _forgotten(row, timezone.now())


def remember_health(instance_id: str, health: Health) -> None:
    """How one instance fares, when somebody asked. Verdicts are the monitor's."""
    row = Instance(pk=instance_id)
    keep_health(row, health)
    values = {name: getattr(row, name) for name in HEALTH_COLUMNS}
    with write_transaction():
        Instance.objects.filter(pk=instance_id).update(**values)


def mark_stale(instance_id: str, health: Health, why: str) -> bool:
    """Its heartbeat is too old. False when that was known, or it is not running any more."""
    with write_transaction():
        row = Instance.objects.select_for_update().filter(pk=instance_id).first()
        if row is None or row.reported_status != Status.RUNNING or row.stale_since is not None:
            return False
        now = timezone.now()
        row.stale_since = now
        keep_health(row, health)
        _settle(row, _Verdict(Status.ERROR, Cause.STALE, why, MONITOR), now)
    return True


def mark_recovered(instance_id: str, health: Health) -> bool:
    """Its heartbeat is fresh. False when it was not stale."""
    with write_transaction():
        row = Instance.objects.select_for_update().filter(pk=instance_id).first()
        if row is None or row.stale_since is None:
            return False
        row.stale_since = None
        keep_health(row, health)
        verdict = _Verdict(Status(row.reported_status), Cause.RECOVERED, actor=MONITOR)
        _settle(row, verdict, timezone.now())
    return True


def keep_health(row: Instance, health: Health) -> None:
    """Into the columns of a row; the caller saves it."""
    row.cpu_percent = health.cpu_percent
    row.memory_mb = health.memory_mb
    row.disk_mb = health.disk_mb
    row.last_heartbeat = health.last_heartbeat
    row.uptime_secs = health.uptime_secs


def _take_in(
    row: Instance | None, backend: str, report: Report, now: datetime, *, actor: str = ""
) -> None:
    is_new = row is None or not row.is_listed
    if row is None:
        row = Instance(id=report.id, status="", first_seen_at=now, status_since=now)
    row.backend = backend
    row.name, row.region = (report.name or "")[:200], (report.region or "")[:200]
    row.web_url = report.web_url[:500]
    row.created_at, row.updated_at = report.created_at, report.updated_at
    row.reported_status = report.status.value
    row.is_listed = True
    row.last_seen_at = now
    if report.health is not None:
        keep_health(row, report.health)
    if report.status is not Status.RUNNING:
        row.stale_since = None
    if row.stale_since is not None:
        # The monitor knows better than a backend that goes by its own records.
        row.save()
        return
    cause = Cause.COMMAND if actor else Cause.APPEARED if is_new else Cause.REPORTED
    _settle(row, _Verdict(report.status, cause, report.error[:500], actor), now)


def _forgotten(row: Instance, now: datetime) -> None:
    row.is_listed = False
    row.stale_since = None
    row.reported_status = Status.STOPPED.value
    why = "the backend does not list it any more"
    _settle(row, _Verdict(Status.STOPPED, Cause.DISAPPEARED, why), now)


def _settle(row: Instance, verdict: _Verdict, now: datetime) -> None:
    """Save the row, and record the change if there is one."""
    previous = Status(row.status) if row.status else None
    row.why = verdict.why
    if previous is verdict.status:
        row.save()
        return
    row.status = verdict.status.value
    row.status_since = now
    row.save()
    StatusChange.objects.create(
        instance=row,
        at=now,
        previous=previous.value if previous else "",
        status=verdict.status.value,
        cause=verdict.cause,
        detail=verdict.why,
        actor=verdict.actor,
    )
    change = Change(
        instance_id=row.id,
        name=row.name,
        previous=previous,
        status=verdict.status,
        cause=verdict.cause,
        detail=verdict.why,
        at=now,
        health=row.health,
    )
    send_on_commit(instance_changed, change=change)
    audit.record(
        "instance_status_changed",
        actor=verdict.actor or None,
        pack_id=audit.RUNTIME,
        instance_id=row.id,
        previous=previous.value if previous else None,
        status=verdict.status.value,
        cause=verdict.cause.value,
        detail=verdict.why,
    )
