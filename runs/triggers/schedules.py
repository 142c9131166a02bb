"""When a cron trigger fires. Pure: times in, times out."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from project.lib.crontab import Crontab, CrontabError, find_zone
from runs.errors import InvalidInput

FIELD_COUNT = 5
#: A time that is noticed later than this was missed. Busy machines and restarts are quicker.
ON_TIME = timedelta(seconds=60)
#: What was missed before that is forgotten.
LOOK_BACK = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do about a due trigger: the time to fire for, if any, and when to look again."""

    fire_at: datetime | None  # in the trigger's zone
    next_at: datetime  # UTC
    missed: bool = False  # times have passed that nobody fires for


def check_schedule(expression: str, tz: str) -> None:
    """Raise `InvalidInput` for what is no time zone, no expression, or never comes."""
    zone = check_zone(tz)
    field = "cron_expression"
    if len(expression.split()) != FIELD_COUNT:
        raise InvalidInput(
            "expected five fields: minute, hour, day of month, month, day of week", field=field
        )
    try:
        times = Crontab.parse(expression).after(datetime.now(zone))
    except CrontabError as error:
        raise InvalidInput(str(error), field=field) from None
    if next(times, None) is None:
        raise InvalidInput(f"{expression!r} never comes", field=field)


def check_zone(tz: str) -> ZoneInfo:
    try:
        return find_zone(tz)
    except CrontabError as error:
        raise InvalidInput(str(error), field="tz") from None


def next_time(expression: str, tz: str, after: datetime) -> datetime:
    """The first time after `after`, UTC."""
    return next(_times(expression, tz, after)).astimezone(UTC)


def plan(expression: str, tz: str, *, due: datetime, now: datetime, catches_up: bool) -> Plan:
    """What to do now about a trigger whose next time was `due`, which is not after `now`.

    Of all the times since then at most the latest is fired for: when it is on time, or missed
    within `LOOK_BACK` by a trigger that catches up.
    """
    latest = None
    count = 0
    for moment in _times(expression, tz, max(due, now - LOOK_BACK) - timedelta(seconds=1)):
        if moment > now:
            return _plan(latest, moment.astimezone(UTC), now, catches_up, count)
        latest, count = moment, count + 1
    raise AssertionError("a schedule that was checked always has a next time")


def _plan(
    latest: datetime | None, next_at: datetime, now: datetime, catches_up: bool, count: int
) -> Plan:
    if latest is None:
        return Plan(None, next_at, missed=True)
    if now - latest > ON_TIME and not catches_up:
        return Plan(None, next_at, missed=True)
    return Plan(latest, next_at, missed=count > 1)


def idempotency_key(trigger_id: str, fire_at: datetime) -> str:
    """Of the run for one time: the same in every process that believes to fire it."""
    return hashlib.sha256(f"{trigger_id}|{fire_at.isoformat()}".encode()).hexdigest()


def _times(expression: str, tz: str, after: datetime) -> Iterator[datetime]:
    return Crontab.parse(expression).after(after.astimezone(ZoneInfo(tz)))
