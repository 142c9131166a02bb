"""Remembering what the backend said: rows, changes of status, their audit records and their news.

Whatever learns something about an instance comes here with it: the routes, the commands, the
monitor. So a change is noticed once, whoever sees it first. Most lists change nothing: of them
nothing is written but that the instances were seen.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from operator import attrgetter

from django.utils import timezone

from instances.models import Instance
from instances.objects import Health, Report, Status
from instances.services.changes import MONITOR, Cause, Change, Changes, Verdict, changing
from project.lib import sql
from project.lib.db import write_transaction

__all__ = [
    "HEALTH_COLUMNS",
    "MONITOR",
    "Change",
    "keep_health",
    "remember",
    "remember_command",
    "remember_health",
    "remember_list",
    "remember_missing",
    "write_described",
]

HEALTH_COLUMNS = ("cpu_percent", "memory_mb", "disk_mb", "last_heartbeat", "uptime_secs")
#: What may become different without being a change of status.
_DESCRIBED = (
    *("backend", "place", "name", "region", "web_url"),
    *("created_at", "updated_at", "reported_status", "why"),
    *HEALTH_COLUMNS,
)
_described = attrgetter(*_DESCRIBED)
_ASSIGNMENTS = ", ".join(f"{name} = %s" for name in _DESCRIBED)
_UPDATE = f"UPDATE instances_instance SET {_ASSIGNMENTS} WHERE id = %s"  # noqa: S608 - columns

_Origin = tuple[str, str]  # kind and place of a backend


def remember_list(
    backend: str,
    reports: Sequence[Report],
    *,
    place: str = "",
    unread: Collection[str] = (),
    asked_at: datetime | None = None,
) -> None:
    """All that `backend` knows. What it does not list any more counts as stopped.

    `asked_at`: what was changed here since then is newer than the list, and stays. So does what is
    `unread`, listed with nothing more that could be read: that is no end of an instance. What runs
    at another place is none of its business; but what another kind of backend had is nobody's any
    more, since one is configured.
    """
    latest = {report.id: report for report in reports}
    origin = (backend, place)
    with changing(timezone.now()) as changes:
        listed = Instance.objects.select_for_update().filter(is_listed=True).order_by("id")
        known = {row.id: row for row in listed}
        known |= _unlisted(origin, latest, known.keys(), changes.now)
        outdated = {row.id for row in known.values() if _is_newer(row, asked_at)}
        different = [
            known[report.id]
            for report in latest.values()
            if report.id not in outdated and _take_in(known[report.id], origin, report, changes)
        ]
        write_described(different)
        for row in known.values():
            if row.id not in latest and row.id not in unread and row.id not in outdated:
                _forget_unlisted(row, origin, changes)
        seen = Instance.objects.filter(backend=backend, place=place, is_listed=True)
        seen.update(last_seen_at=changes.now)


def remember(
    backend: str,
    report: Report,
    *,
    place: str = "",
    actor: str = "",
    asked_at: datetime | None = None,
) -> None:
    """One instance as it is now; `actor` when it is so by somebody's command.

    `asked_at`: as with a list.
    """
    origin = (backend, place)
    with changing(timezone.now()) as changes:
        row = Instance.objects.select_for_update().filter(pk=report.id).first()
        if row is None:
            row = _unlisted(origin, {report.id: report}, (), changes.now)[report.id]
        if _is_newer(row, asked_at):
            return
        _take_in(row, origin, report, changes, actor=actor)
        row.last_seen_at = changes.now
        row.save()


def remember_command(instance_id: str, status: Status, *, actor: str) -> None:
    """The backend did what somebody asked for and said no more than that."""
    with changing(timezone.now()) as changes:
        row = Instance.objects.select_for_update().filter(pk=instance_id).first()
        if row is None:
            return  # the next list has it
        row.reported_status = status.value
        row.stale_since = row.given_up_at = None
        row.is_listed = status is not Status.STOPPED
        if status is Status.RUNNING:
            row.started_at = changes.now
        changes.settle(row, Verdict(status, Cause.COMMAND, actor=actor))


def remember_missing(instance_id: str, backend: str, *, place: str = "") -> None:
    """The backend was asked for one instance and has none of that id."""
    with changing(timezone.now()) as changes:
        row = Instance.objects.select_for_update().filter(pk=instance_id, is_listed=True).first()
        if row is not None:
            _forget_unlisted(row, (backend, place), changes)


def remember_health(instance_id: str, health: Health) -> None:
    """How one instance fares, when somebody asked. Verdicts are the monitor's."""
    values = {name: getattr(health, name) for name in HEALTH_COLUMNS}
    with write_transaction():
        Instance.objects.filter(pk=instance_id).update(**values)


def keep_health(row: Instance, health: Health) -> None:
    """Into the columns of a row; the caller saves it."""
    for name in HEALTH_COLUMNS:
        setattr(row, name, getattr(health, name))


def write_described(rows: Sequence[Instance]) -> None:
    """Save many rows that differ in no status and no date.

    The ORM would take a tenth of a second for five hundred.
    """
    if rows:
        sql.execute_each(_UPDATE, [(*_described(row), row.id) for row in rows])


def _unlisted(
    origin: _Origin, reports: Mapping[str, Report], listed: Collection[str], now: datetime
) -> dict[str, Instance]:
    """The rows of those that were not listed before, locked: new ones, and some of old.

    A new row has no status yet. It is inserted before it is looked at, so that two who see the
    same instance for the first time meet there, and one of them finds it known.
    """
    missing = [reports[instance_id] for instance_id in reports if instance_id not in listed]
    if not missing:
        return {}
    Instance.objects.bulk_create(
        (
            Instance(
                id=report.id,
                backend=origin[0],
                place=origin[1],
                status="",
                created_at=report.created_at,
                updated_at=report.updated_at,
                first_seen_at=now,
                last_seen_at=now,
                status_since=now,
            )
            for report in missing
        ),
        ignore_conflicts=True,
    )
    rows = Instance.objects.select_for_update().order_by("id")
    return {row.id: row for row in rows.filter(pk__in=[report.id for report in missing])}


def _take_in(
    row: Instance, origin: _Origin, report: Report, changes: Changes, *, actor: str = ""
) -> bool:
    """Whether the row is to be written still: it differs, and its status does not."""
    before, is_new = _described(row), not row.status or not row.is_listed
    was_stale = row.stale_since is not None
    _describe(row, origin, report)
    if was_stale and report.status is Status.RUNNING:
        # The monitor knows better than a backend that goes by its own records.
        return _described(row) != before
    if not is_new and not was_stale and row.status == report.status:
        row.why = report.error[:500]
        return _described(row) != before
    if actor or (report.status is Status.RUNNING and not is_new):
        row.started_at = changes.now
    row.is_listed = True
    row.stale_since = row.given_up_at = None
    cause = Cause.COMMAND if actor else Cause.APPEARED if is_new else Cause.REPORTED
    changes.settle(row, Verdict(report.status, cause, report.error[:500], actor))
    return False


def _describe(row: Instance, origin: _Origin, report: Report) -> None:
    row.backend, row.place = origin
    row.name, row.region = (report.name or "")[:200], (report.region or "")[:200]
    row.web_url = report.web_url[:500]
    row.created_at, row.updated_at = report.created_at, report.updated_at
    row.reported_status = report.status.value
    if report.health is not None:
        keep_health(row, report.health)


def _is_newer(row: Instance, asked_at: datetime | None) -> bool:
    """Than what a backend says that was asked then. A row without a status has just been made."""
    return bool(row.status) and asked_at is not None and row.status_since > asked_at


def _forget_unlisted(row: Instance, origin: _Origin, changes: Changes) -> None:
    """Who was asked does not have it. Rows of before there were places belong to whoever asks."""
    backend, place = origin
    if row.backend != backend:
        why = "another backend is configured now"
    elif row.place in ("", place):
        why = "the backend does not list it any more"
    else:
        return
    row.is_listed = False
    row.stale_since = row.given_up_at = None
    row.reported_status = Status.STOPPED.value
    changes.settle(row, Verdict(Status.STOPPED, Cause.DISAPPEARED, why))
