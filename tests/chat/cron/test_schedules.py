"""When jobs run: the dialect of cron, daylight saving, moments, and times that were missed."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chat.cron.schedules import (
    Plan,
    check_schedule,
    first_time,
    moved_time,
    plan,
    read_schedule,
)
from chat.errors import InvalidBody, OutOfRange

pytestmark = pytest.mark.anywhere

UTC, BERLIN, NEW_YORK = (ZoneInfo(key) for key in ("UTC", "Europe/Berlin", "America/New_York"))


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def told(seconds: int | None, zone: ZoneInfo) -> str | None:
    return None if seconds is None else f"{datetime.fromtimestamp(seconds, zone):%a %F %T %z}"


def cron(expression: str) -> Any:
    return read_schedule({"kind": "cron", "expr": expression})


def one_shot(text: str) -> Any:
    return read_schedule({"kind": "one_shot", "at": text})


def every(ms: int) -> Any:
    return read_schedule({"kind": "interval", "every_ms": ms})


MONDAY = "2026-06-01T12:00:00+00:00"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        # Weekdays: 0 and 7 are Sunday, 1 to 5 are Monday to Friday, as the names say.
        ("0 9 * * 0", "Sun 2026-06-07 09:00:00"),
        ("0 9 * * 7", "Sun 2026-06-07 09:00:00"),
        ("0 9 * * 1-5", "Tue 2026-06-02 09:00:00"),
        ("0 9 * * MON-FRI", "Tue 2026-06-02 09:00:00"),
        ("0 9 * * 6-7", "Sat 2026-06-06 09:00:00"),
        ("0 9 * * sat-sun", "Sat 2026-06-06 09:00:00"),
        ("0 9 * JUL *", "Wed 2026-07-01 09:00:00"),
        # Either day field will do when both are restricted, both must fit when one is a star.
        ("0 9 15 * FRI", "Fri 2026-06-05 09:00:00"),
        ("0 9 2 * FRI", "Tue 2026-06-02 09:00:00"),
        ("0 9 15 * *", "Mon 2026-06-15 09:00:00"),
        ("0 9 15 * ?", "Mon 2026-06-15 09:00:00"),
        ("*/45 * * * *", "Mon 2026-06-01 12:45:00"),
        ("*/60 * * * *", "Mon 2026-06-01 13:00:00"),
        # Six fields have seconds first, seven have years last.
        ("30 0 9 * * *", "Tue 2026-06-02 09:00:30"),
        ("*/20 * * * * *", "Mon 2026-06-01 12:00:20"),
        ("0 0 9 1 1 * 2030", "Tue 2030-01-01 09:00:00"),
        ("0 0 9 1 1 ? 2028-2032/2", "Sat 2028-01-01 09:00:00"),
        ("0 0 9 1 1 * 2029,2031", "Mon 2029-01-01 09:00:00"),
        ("@hourly", "Mon 2026-06-01 13:00:00"),
        ("@daily", "Tue 2026-06-02 00:00:00"),
        ("@weekly", "Sun 2026-06-07 00:00:00"),
        ("@Monthly", "Wed 2026-07-01 00:00:00"),
        ("@yearly", "Fri 2027-01-01 00:00:00"),
        ("0 9 L * *", "Tue 2026-06-30 09:00:00"),
    ],
)
def test_an_expression_means_what_it_means_to_cron(expression: str, expected: str):
    schedule = cron(expression)

    check_schedule(schedule, now=at(MONDAY), zone=UTC)

    assert told(first_time(schedule, now=at(MONDAY), zone=UTC), UTC) == f"{expected} +0000"


@pytest.mark.parametrize(
    "expression",
    [
        "", "* * * *", "* * * * * * * *", "61 * * * *", "0 9 * * 8", "0 9 * * MOON", "@reboot",
        "0 0 30 2 *", "0 0 9 1 1 * 2020", "0 0 9 1 1 * 99", "0 0 9 1 1 * 2030/0", "60 0 9 * * *",
    ],
)  # fmt: skip
def test_what_is_no_expression_or_never_comes_is_refused(expression: str):
    with pytest.raises(OutOfRange) as refused:
        check_schedule(cron(expression), now=at(MONDAY), zone=UTC)

    assert refused.value.field == "schedule.expr"


@pytest.mark.parametrize(
    ("expression", "zone", "now", "expected"),
    [
        ("0 6 * * *", BERLIN, "2026-07-01T12:00:00+00:00", "Thu 2026-07-02 06:00:00 +0200"),
        ("0 6 * * *", BERLIN, "2026-12-01T12:00:00+00:00", "Wed 2026-12-02 06:00:00 +0100"),
        # 02:30 does not exist: right after the gap, with seconds as without.
        ("30 2 * * *", BERLIN, "2026-03-28T12:00:00+00:00", "Sun 2026-03-29 03:00:00 +0200"),
        ("15 30 2 * * *", BERLIN, "2026-03-28T12:00:00+00:00", "Sun 2026-03-29 03:00:15 +0200"),
        ("30 2 * * *", NEW_YORK, "2026-03-08T05:00:00+00:00", "Sun 2026-03-08 03:00:00 -0400"),
        # 02:30 comes twice: the first one counts, and then the next day's.
        ("30 2 * * *", BERLIN, "2026-10-24T12:00:00+00:00", "Sun 2026-10-25 02:30:00 +0200"),
        ("30 2 * * *", BERLIN, "2026-10-25T00:30:00+00:00", "Mon 2026-10-26 02:30:00 +0100"),
        ("5 30 2 * * *", BERLIN, "2026-10-25T00:30:05+00:00", "Mon 2026-10-26 02:30:05 +0100"),
        # Every half hour is every half hour, however the clock is called.
        ("*/30 * * * *", BERLIN, "2026-03-29T00:30:00+00:00", "Sun 2026-03-29 03:00:00 +0200"),
        ("*/30 * * * *", BERLIN, "2026-10-25T00:30:00+00:00", "Sun 2026-10-25 02:00:00 +0100"),
        ("10 */30 * * * *", BERLIN, "2026-10-25T00:30:10+00:00", "Sun 2026-10-25 02:00:10 +0100"),
    ],
)
def test_the_next_time_is_right_across_a_change_of_the_clock(
    expression: str, zone: ZoneInfo, now: str, expected: str
):
    assert told(first_time(cron(expression), now=at(now), zone=zone), zone) == expected


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2030-01-01T09:00:00+01:00", UTC, "2030-01-01T08:00:00+00:00"),
        ("2030-01-01t08:00:00z", NEW_YORK, "2030-01-01T08:00:00+00:00"),
        ("2030-01-01T09:00:00", BERLIN, "2030-01-01T08:00:00+00:00"),
        ("2030-01-01T09:00:00", UTC, "2030-01-01T09:00:00+00:00"),
        ("2030-01-01T09:00:00.250Z", UTC, "2030-01-01T09:00:01+00:00"),
        # Half past two comes twice that night; the earlier one is meant.
        ("2026-10-25T02:30:00", BERLIN, "2026-10-25T00:30:00+00:00"),
    ],
)
def test_a_moment_without_offset_is_meant_in_the_users_zone(
    text: str, zone: ZoneInfo, expected: str
):
    check_schedule(one_shot(text), now=at(MONDAY), zone=zone)

    assert first_time(one_shot(text), now=at(MONDAY), zone=zone) == at(expected)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2020-01-01T09:00:00Z", "past"),
        ("2026-06-01T12:00:00Z", "past"),
        ("2027-03-28T02:30:00", "skip"),  # the night in which Berlin has no half past two
        ("2030-02-30T09:00:00Z", "there is no"),
        ("2030-01-01", "RFC 3339"),
        ("tomorrow", "RFC 3339"),
        ("", "RFC 3339"),
    ],
)
def test_a_moment_that_is_none_or_past_is_refused(text: str, said: str):
    with pytest.raises(OutOfRange, match=said) as refused:
        check_schedule(one_shot(text), now=at(MONDAY), zone=BERLIN)

    assert refused.value.field == "schedule.at"


@pytest.mark.parametrize(
    ("value", "kind", "field"),
    [
        ({"kind": "interval", "every_ms": 999}, OutOfRange, "schedule.every_ms"),
        ({"kind": "interval", "every_ms": "1000"}, InvalidBody, "schedule.every_ms"),
        ({"kind": "interval", "every_ms": True}, InvalidBody, "schedule.every_ms"),
        ({"kind": "interval"}, InvalidBody, "schedule.every_ms"),
        ({"kind": "cron", "expr": 5}, InvalidBody, "schedule.expr"),
        ({"kind": "cron", "expr": "*" * 201}, OutOfRange, "schedule.expr"),
        ({"kind": "sometimes"}, OutOfRange, "schedule"),
        ({}, InvalidBody, "schedule"),
        ("@daily", InvalidBody, "schedule"),
    ],
)
def test_what_is_no_schedule_is_refused_by_name(value: Any, kind: type[Exception], field: str):
    with pytest.raises(kind) as refused:
        read_schedule(value)

    assert refused.value.field == field  # type: ignore[attr-defined]


NOON = at("2026-06-01T12:00:00+00:00")
HOUR, DAY = 3_600, 86_400


@pytest.mark.parametrize(
    ("schedule", "late", "catches_up", "fires_for", "next_at"),
    [
        (every(HOUR * 1000), 0, False, NOON, NOON + HOUR),
        (every(HOUR * 1000), 60, False, NOON, NOON + HOUR),
        # An interval keeps its beat, whenever it is looked at; a fraction of a second counts whole.
        (every(HOUR * 1000), 5 * HOUR + 600, True, NOON, NOON + 6 * HOUR),
        (every(HOUR * 1000), 5 * HOUR + 600, False, None, NOON + 6 * HOUR),
        (every(HOUR * 1000), 5 * HOUR + 3, False, NOON + 5 * HOUR, NOON + 6 * HOUR),
        (every(1_500), 3, True, NOON, NOON + 4),
        # What was missed is made up for once, however long ago it was.
        (cron("0 12 * * *"), 10 * DAY + HOUR, True, NOON, NOON + 11 * DAY),
        (cron("0 12 * * *"), 10 * DAY + HOUR, False, None, NOON + 11 * DAY),
        (cron("0 12 * * *"), 10 * DAY + 5, False, NOON + 10 * DAY, NOON + 11 * DAY),
        (one_shot("2026-06-01T12:00:00Z"), 30, False, NOON, None),
        (one_shot("2026-06-01T12:00:00Z"), DAY, True, NOON, None),
        (one_shot("2026-06-01T12:00:00Z"), DAY, False, None, None),
        # The last year of an expression.
        (cron("0 0 12 1 6 * 2026"), 0, True, NOON, None),
    ],
)
def test_of_the_times_that_have_passed_one_is_run_for_at_most(
    schedule: Any, late: int, catches_up: bool, fires_for: int | None, next_at: int | None
):
    decided = plan(schedule, due=NOON, now=NOON + late, zone=UTC, catches_up=catches_up)

    assert decided == Plan(fires_for, next_at)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (every(HOUR * 1000), NOON + 5),
        (cron("0 9 * * *"), at("2026-06-02T09:00:00+02:00")),
        (one_shot("2026-06-02T09:00:00"), at("2026-06-02T09:00:00+02:00")),
        (one_shot("2026-06-02T09:00:00Z"), at("2026-06-02T09:00:00+00:00")),
    ],
)
def test_another_time_zone_moves_what_is_meant_in_it(schedule: Any, expected: int):
    assert moved_time(schedule, NOON + 5, now=NOON, zone=BERLIN) == expected
