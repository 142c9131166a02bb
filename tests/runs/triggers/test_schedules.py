"""When cron triggers fire: daylight saving, times that were missed, what is refused."""

from datetime import datetime, timedelta

import pytest

from runs.errors import InvalidInput
from runs.triggers.schedules import check_schedule, idempotency_key, next_time, plan

pytestmark = pytest.mark.anywhere

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_the_key_of_a_time_is_the_documented_one():
    assert idempotency_key("cron:x", at("2026-01-01T03:00:00+00:00")) == (
        "1a99bd2d87eec49d3813d6456817e3344a31c545d721172ed2e21364b51c0556"
    )


@pytest.mark.parametrize(
    ("expression", "tz", "after", "expected"),
    [
        ("0 6 * * *", BERLIN, "2026-07-01T12:00:00+00:00", "2026-07-02T04:00:00+00:00"),
        ("0 6 * * *", BERLIN, "2026-12-01T12:00:00+00:00", "2026-12-02T05:00:00+00:00"),
        # 02:30 does not exist: right after the gap, and as usual on the next day.
        ("30 2 * * *", BERLIN, "2026-03-28T12:00:00+00:00", "2026-03-29T01:00:00+00:00"),
        ("30 2 * * *", BERLIN, "2026-03-29T01:00:00+00:00", "2026-03-30T00:30:00+00:00"),
        ("30 2 * * *", NEW_YORK, "2026-03-08T05:00:00+00:00", "2026-03-08T07:00:00+00:00"),
        # 02:30 comes twice: once, and then on the next day.
        ("30 2 * * *", BERLIN, "2026-10-24T12:00:00+00:00", "2026-10-25T00:30:00+00:00"),
        ("30 2 * * *", BERLIN, "2026-10-25T00:30:00+00:00", "2026-10-26T01:30:00+00:00"),
        # Every half hour is every half hour, however the clock is called.
        ("*/30 * * * *", BERLIN, "2026-03-29T00:30:00+00:00", "2026-03-29T01:00:00+00:00"),
        ("*/30 * * * *", BERLIN, "2026-10-25T00:30:00+00:00", "2026-10-25T01:00:00+00:00"),
        ("0 * * * *", LORD_HOWE, "2026-04-04T14:30:00+00:00", "2026-04-04T15:30:00+00:00"),
    ],
)
def test_the_next_time_is_right_across_a_change_of_the_clock(
    expression: str, tz: str, after: str, expected: str
):
    assert next_time(expression, tz, at(after)) == at(expected)


NOON = at("2026-05-01T12:00:00+00:00")


@pytest.mark.parametrize(
    ("expression", "due", "late", "catches_up", "fires_for"),
    [
        ("0 12 * * *", NOON, timedelta(0), False, NOON),
        ("0 12 * * *", NOON, timedelta(seconds=59), False, NOON),
        ("0 12 * * *", NOON, timedelta(minutes=2), False, None),
        ("0 12 * * *", NOON, timedelta(minutes=2), True, NOON),
        ("0 12 * * *", NOON, timedelta(hours=23), True, NOON),
        # Of several missed times only the latest counts, and none of before yesterday.
        ("0 * * * *", NOON, timedelta(hours=5, minutes=10), True, NOON + timedelta(hours=5)),
        ("0 * * * *", NOON, timedelta(days=9, minutes=10), True, NOON + timedelta(days=9)),
        ("0 12 * * 5", NOON, timedelta(hours=25), True, None),
        # A trigger that skips still fires for the time that is now.
        ("0 * * * *", NOON, timedelta(hours=5, seconds=3), False, NOON + timedelta(hours=5)),
    ],
)
def test_missed_times_are_caught_up_at_most_once(
    expression: str,
    due: datetime,
    late: timedelta,
    catches_up: bool,
    fires_for: datetime | None,
):
    decided = plan(expression, "UTC", due=due, now=due + late, catches_up=catches_up)

    assert decided.fire_at == fires_for
    assert decided.next_at > due + late


def test_the_hour_that_comes_twice_has_two_keys():
    first, second = (
        plan("*/30 * * * *", BERLIN, due=at(due), now=at(due), catches_up=True).fire_at
        for due in ("2026-10-25T00:30:00+00:00", "2026-10-25T01:30:00+00:00")
    )

    assert first is not None and second is not None
    assert first.replace(tzinfo=None) == second.replace(tzinfo=None)
    assert idempotency_key("x", first) != idempotency_key("x", second)


@pytest.mark.parametrize(
    ("expression", "tz", "field"),
    [
        ("61 * * * *", "UTC", "cron_expression"),
        ("* * * *", "UTC", "cron_expression"),
        ("* * * * * *", "UTC", "cron_expression"),
        ("", "UTC", "cron_expression"),
        ("0 0 30 2 *", "UTC", "cron_expression"),
        ("@daily", "UTC", "cron_expression"),
        ("* * * * *", "Europe/Atlantis", "tz"),
        ("* * * * *", "../../etc/passwd", "tz"),
        ("* * * * *", "Europe", "tz"),
        ("* * * * *", "", "tz"),
    ],
)
def test_what_never_comes_is_refused(expression: str, tz: str, field: str):
    with pytest.raises(InvalidInput) as refused:
        check_schedule(expression, tz)

    assert refused.value.field == field
