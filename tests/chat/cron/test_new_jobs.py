"""A job that is made over HTTP: what it takes from the settings, and when it runs first."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chat.cron.firing import fire_due
from tests.chat.callers import Caller, make_caller
from tests.chat.cron.scheduling import set_settings

pytestmark = pytest.mark.django_db

JOBS = "/api/cron/jobs"
HOURLY = {"kind": "interval", "every_ms": 3_600_000}


@pytest.fixture
def caller(db: None) -> Caller:
    return make_caller()


def make(caller: Caller, **fields: Any) -> dict[str, Any]:
    answer = caller.post(JOBS, {"name": "job", "prompt": "hello", "schedule": HOURLY, **fields})
    assert answer.status_code == 201, answer.content
    job: dict[str, Any] = answer.json()
    return job


def test_its_retries_and_its_time_are_those_of_the_settings(caller: Caller):
    set_settings("cron", default_max_retries=1, default_timeout_secs=60)

    as_set = make(caller)
    as_told = make(caller, name="other", max_retries=0, timeout_secs=5)

    assert (as_set["max_retries"], as_set["timeout_secs"]) == (1, 60)
    assert (as_told["max_retries"], as_told["timeout_secs"]) == (0, 5)


@pytest.mark.parametrize(
    ("days", "expected"),
    [("0", {6}), ("7", {6}), ("1", {0}), ("5", {4}), ("SUN", {6}), ("1-5", set(range(5)))],
)
def test_weekdays_are_counted_from_sunday_as_zero_in_the_zone_of_the_settings(
    caller: Caller, days: str, expected: set[int]
):
    set_settings("general", timezone="Asia/Kolkata")

    job = make(caller, schedule={"kind": "cron", "expr": f"0 9 * * {days}"})

    first = datetime.fromtimestamp(job["next_run_at"], ZoneInfo("Asia/Kolkata"))
    assert first.weekday() in expected
    assert (first.hour, first.minute) == (9, 0)


def test_runs_are_listed_with_the_newest_first(caller: Caller):
    job = make(caller, overlap="parallel", schedule={"kind": "interval", "every_ms": 1_000})
    due = [job["next_run_at"] + second for second in range(3)]

    for now in due:
        fire_due(now=now)

    listed = caller.get(f"{JOBS}/{job['id']}/runs").json()
    assert [run["due_at"] for run in listed] == due[::-1]
