"""When a job runs. Pure: times in, times out, all of them Unix seconds.

Cron expressions and daylight saving are explained in `project.lib.crontab`. An interval counts
from when it was set, whatever its runs take, and is rounded up to whole seconds.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from chat.errors import ChatError, InvalidBody, OutOfRange
from project.lib.crontab import Crontab, CrontabError
from runs.triggers.schedules import ON_TIME

ON_TIME_SECONDS = int(ON_TIME.total_seconds())
YEAR_MS = 366 * 86_400_000


class _Kind(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class Interval(_Kind):
    kind: Literal["interval"]
    every_ms: int = Field(ge=1000, le=YEAR_MS, description="Milliseconds between two times")

    @property
    def seconds(self) -> int:
        return -(-self.every_ms // 1000)


class CronExpression(_Kind):
    kind: Literal["cron"]
    expr: str = Field(
        max_length=200,
        description="minute hour day-of-month month day-of-week (0 and 7 are Sunday), or with"
        " seconds first, or an alias such as @daily",
    )


class OneShot(_Kind):
    kind: Literal["one_shot"]
    at: str = Field(
        max_length=40,
        description="RFC 3339, or without offset in the user's time zone: 2030-01-01T09:00:00",
    )


Schedule = Annotated[Interval | CronExpression | OneShot, Field(discriminator="kind")]

_ADAPTER: TypeAdapter[Schedule] = TypeAdapter(Schedule)
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do about a due job: the time to run for, if any, and when the next one is."""

    fire_at: int | None
    next_at: int | None  # None: never again


def read_schedule(value: Any) -> Schedule:
    """A schedule as JSON has it. Raises `InvalidBody` or `OutOfRange`; what it says about times is
    checked by `check_schedule`."""
    try:
        return _ADAPTER.validate_python(value)
    except ValidationError as error:
        raise _complaint(error) from None


def stored_schedule(value: dict[str, Any]) -> Schedule:
    """One that was checked when it was stored."""
    return _ADAPTER.validate_python(value)


def check_schedule(schedule: Schedule, *, now: int, zone: ZoneInfo) -> None:
    """Raise `OutOfRange` for what is no expression, no time, never comes, or lies in the past."""
    match schedule:
        case CronExpression():
            try:
                Crontab.parse(schedule.expr)
            except CrontabError as error:
                raise OutOfRange(f"schedule.expr: {error}", field="schedule.expr") from None
            if first_time(schedule, now=now, zone=zone) is None:
                raise _never("expr", f"{schedule.expr!r} never comes")
        case OneShot():
            _check_moment(schedule.at, zone)
            if first_time(schedule, now=now, zone=zone) is None:
                raise _never("at", f"{schedule.at} lies in the past")


def first_time(schedule: Schedule, *, now: int, zone: ZoneInfo) -> int | None:
    """Of a schedule that is set now. None for a moment in the past."""
    match schedule:
        case Interval():
            return now + schedule.seconds
        case CronExpression():
            return _next_match(schedule.expr, now, zone)
        case OneShot():
            moment = _moment(schedule.at, zone)
            return moment if moment > now else None


def moved_time(schedule: Schedule, next_at: int, *, now: int, zone: ZoneInfo) -> int | None:
    """What a time that was reckoned in another zone is in this one."""
    match schedule:
        case Interval():
            return next_at
        case CronExpression():
            return _next_match(schedule.expr, now, zone)
        case OneShot():
            return _moment(schedule.at, zone)


def plan(schedule: Schedule, *, due: int, now: int, zone: ZoneInfo, catches_up: bool) -> Plan:
    """What to do now about a job whose next time was `due`, which is not after `now`.

    Of all the times that have passed since then one is run for, if any: `due` when it is on time or
    the job catches up, else one that is on time now.
    """
    if now - due <= ON_TIME_SECONDS or catches_up:
        return Plan(due, _following(schedule, due, now, zone))
    later = _following(schedule, due, now - ON_TIME_SECONDS - 1, zone)
    if later is None or later > now:
        return Plan(None, later)
    return Plan(later, _following(schedule, due, now, zone))


def _following(schedule: Schedule, due: int, after: int, zone: ZoneInfo) -> int | None:
    """The first time after `after`, of a job with a time at `due`."""
    match schedule:
        case Interval():
            return due + max(0, (after - due) // schedule.seconds + 1) * schedule.seconds
        case CronExpression():
            return _next_match(schedule.expr, after, zone)
        case OneShot():
            return None


def _next_match(expression: str, after: int, zone: ZoneInfo) -> int | None:
    times = Crontab.parse(expression).after(datetime.fromtimestamp(after, zone))
    found = next(times, None)
    return None if found is None else int(found.timestamp())


def _check_moment(text: str, zone: ZoneInfo) -> None:
    if not _MOMENT.fullmatch(text):
        raise _never("at", "expected RFC 3339, such as 2030-01-01T09:00:00+01:00")
    try:
        moment = _parsed(text, zone)
        exists = moment.astimezone(UTC).astimezone(moment.tzinfo) == moment
    except (ValueError, OverflowError):
        raise _never("at", f"there is no {text}") from None
    if not exists:
        raise _never("at", f"the clocks of {zone.key} skip {text}")


def _moment(text: str, zone: ZoneInfo) -> int:
    """Never early: a fraction of a second counts as a whole one. Of a time that comes twice the
    first, and one that is skipped (the zone has changed since it was checked) after the gap."""
    moment = _parsed(text, zone)
    return int(moment.timestamp()) + (moment.microsecond > 0)


def _parsed(text: str, zone: ZoneInfo) -> datetime:
    moment = datetime.fromisoformat(text.upper())
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)


def _never(field: str, reason: str) -> OutOfRange:
    return OutOfRange(f"schedule.{field}: {reason}", field=f"schedule.{field}")


def _complaint(error: ValidationError) -> ChatError:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    # Of the location the first part names the kind, unless the kind itself is what is wrong.
    name = ".".join(["schedule", *(str(part) for part in first["loc"][1:])])
    kind = first["type"]
    if kind == "missing":
        return InvalidBody(f"{name}: field required", field=name)
    message = f"{name}: {first['msg']}"
    if kind.endswith("_type") or kind == "union_tag_not_found":
        return InvalidBody(message, field=name)
    return OutOfRange(message, field=name)
