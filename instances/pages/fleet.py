"""What the fleet page tells: who is up, stale, restarting, and why.

All of it is read from what is remembered. The page asks no backend, so one that hangs delays none.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from instances import operator_settings
from instances.backends import is_configured
from instances.models import Instance
from instances.objects import Status
from instances.operator_settings import MonitorSettings
from instances.pages.formats import Moment, moment, moment_of, names_of
from instances.pages.samples import Measured, Period, cpu_chart, measure
from instances.pages.sparklines import Sparkline
from instances.pages.standing import (
    GIVEN_UP,
    RESTARTING,
    STALE,
    UNMEASURED,
    Attempts,
    attempts_of,
    backend_state,
    group_of,
    page_of,
    refresh_seconds,
    restarts_in_words,
    told_why,
    unmeasured_since,
    why_of,
)

#: Of each group on the page; the list has them all.
SHOWN = 100
SHOWN_STOPPED = 20
PERIOD = Period("the last hour", 3600, 30)

#: In the order of the page: first what somebody should look at.
GROUPS = {
    GIVEN_UP: "Stale, and restarted in vain as often as the settings allow. Somebody has to look.",
    STALE: "The heartbeat is too old.",
    UNMEASURED: "Running as far as anybody knows: their health cannot be read, or nobody reads it.",
    RESTARTING: "The monitor has restarted them, or tried to, and waits for a heartbeat.",
    Status.ERROR.value: "The backend reports a failure.",
    Status.CREATING.value: "The backend is making them.",
    Status.RUNNING.value: "Up: the heartbeat was fresh when the monitor looked last.",
    Status.PAUSED.value: "Suspended. A restart continues them.",
    Status.STOPPED.value: "Killed, or gone from the backend.",
}
_SELDOM = (GIVEN_UP, UNMEASURED, Status.CREATING.value)  # told only when there are some


@dataclass(frozen=True, slots=True)
class Row:
    id: str
    label: str
    url: str  # of its page; "" for an id that no address can have
    group: str
    why: str
    since: Moment
    heartbeat: Moment | None
    is_late: bool
    restarts: str  # "" for none within the hour
    region: str
    backend: str
    spark: Sparkline


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    explanation: str
    rows: Sequence[Row]
    total: int

    @property
    def hidden(self) -> int:
        return self.total - len(self.rows)


def fleet_context() -> dict[str, Any]:
    now, rules = timezone.now(), operator_settings.read()
    listed = list(told_why(Instance.objects.filter(is_listed=True)))
    unlisted = Instance.objects.filter(is_listed=False)
    stopped = list(told_why(unlisted).order_by("-status_since", "id")[:SHOWN_STOPPED])
    attempts = attempts_of([row.pk for row in listed], now)
    sorted_rows: dict[str, list[Instance]] = defaultdict(list)
    for row in [*listed, *stopped]:
        unmeasured = unmeasured_since(row, rules, now)
        sorted_rows[group_of(row, attempts.get(row.pk), unmeasured)].append(row)
    totals = {name: len(sorted_rows[name]) for name in GROUPS}
    totals[Status.STOPPED.value] += max(0, unlisted.count() - len(stopped))
    return {
        "summary": [(name, totals[name]) for name in GROUPS if totals[name] or name not in _SELDOM],
        "groups": _groups(sorted_rows, totals, attempts, rules, now),
        "backend": backend_state(listed, rules, now),
        "is_empty": not any(totals.values()),
        "is_configured": is_configured(),
        "period": PERIOD,
        "refresh_seconds": refresh_seconds(rules),
    }


def _groups(
    sorted_rows: Mapping[str, list[Instance]],
    totals: Mapping[str, int],
    attempts: Mapping[str, Attempts],
    rules: MonitorSettings,
    now: datetime,
) -> list[Group]:
    shown = {name: sorted_rows[name][:SHOWN] for name in GROUPS if sorted_rows[name]}
    everybody = [row for rows in shown.values() for row in rows]
    measured = measure([row.pk for row in everybody], PERIOD, now)
    names = names_of({getattr(row, "last_actor", None) for row in everybody})

    def told(row: Instance) -> Row:
        return _row(row, attempts.get(row.pk), measured[row.pk], names, rules, now)

    return [
        Group(name, GROUPS[name], list(map(told, rows)), totals[name])
        for name, rows in shown.items()
    ]


def _row(
    row: Instance,
    attempts: Attempts | None,
    measured: Measured,
    names: Mapping[str, str],
    rules: MonitorSettings,
    now: datetime,
) -> Row:
    actor = getattr(row, "last_actor", "") or ""
    beat, unmeasured = row.last_heartbeat, unmeasured_since(row, rules, now)
    return Row(
        id=row.pk,
        label=str(row),
        url=page_of(row.pk),
        group=group_of(row, attempts, unmeasured),
        why=why_of(row, getattr(row, "last_cause", None), names.get(actor, actor), unmeasured),
        since=moment(row.status_since, now),
        heartbeat=None if beat is None else moment_of(beat, now),
        is_late=row.stale_since is not None or unmeasured is not None,
        restarts=restarts_in_words(attempts, rules),
        region=row.region,
        backend=row.backend,
        spark=cpu_chart(measured, PERIOD, rules),
    )
