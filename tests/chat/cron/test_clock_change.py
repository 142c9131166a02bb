"""What the records of a job say when the clock is changed under it."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from chat.cron.definitions import NewJob
from chat.cron.firing import fire_due
from chat.cron.jobs import Maker, create_job
from chat.models import CronJob
from tests.chat.cron.scheduling import set_settings
from tests.factories import make_user

pytestmark = pytest.mark.django_db

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


@pytest.fixture(autouse=True)
def _in_berlin(db: None) -> None:
    set_settings("general", timezone="Europe/Berlin")
    set_settings("cron", max_concurrent_runs=32)


def make_job(expression: str, *, began: str) -> CronJob:
    schedule = {"kind": "cron", "expr": expression}
    wanted = NewJob(name="job", prompt="hello", schedule=schedule, overlap="parallel")
    return create_job(Maker("test", make_user().pk, None), wanted, now=at(began))


def run_until(job: CronJob, end: str) -> None:
    """A scheduler that is always there: it ticks at each time of the job."""
    while job.next_run_at is not None and job.next_run_at <= at(end):
        fire_due(now=job.next_run_at)
        job.refresh_from_db()


def records(job: CronJob) -> list[str]:
    """The times that were run for, as the clock in Berlin showed them."""
    rows = job.runs.filter(attempt=0).exclude(status="skipped").order_by("due_at")
    return [f"{datetime.fromtimestamp(row.due_at, BERLIN):%d %H:%M %z}" for row in rows]


def test_a_time_that_the_clock_skips_is_run_for_right_after_the_gap():
    job = make_job("30 2 * * *", began="2026-03-27T12:00:00+00:00")

    run_until(job, "2026-03-30T12:00:00+00:00")

    assert records(job) == ["28 02:30 +0100", "29 03:00 +0200", "30 02:30 +0200"]


def test_a_time_that_comes_twice_is_run_for_once():
    job = make_job("30 2 * * *", began="2026-10-23T12:00:00+00:00")

    run_until(job, "2026-10-26T12:00:00+00:00")

    assert records(job) == ["24 02:30 +0200", "25 02:30 +0200", "26 02:30 +0100"]


def test_every_half_hour_goes_by_elapsed_time():
    spring = make_job("*/30 * * * *", began="2026-03-29T00:15:00+00:00")
    run_until(spring, "2026-03-29T01:30:00+00:00")
    of_spring = records(spring)
    spring.delete()

    autumn = make_job("*/30 * * * *", began="2026-10-25T00:15:00+00:00")
    run_until(autumn, "2026-10-25T02:00:00+00:00")

    assert of_spring == ["29 01:30 +0100", "29 03:00 +0200", "29 03:30 +0200"]
    assert records(autumn) == [
        "25 02:30 +0200", "25 02:00 +0100", "25 02:30 +0100", "25 03:00 +0100",
    ]  # fmt: skip


def test_a_scheduler_that_was_gone_over_the_change_makes_up_for_it_once():
    job = make_job("30 2 * * *", began="2026-03-28T12:00:00+00:00")

    for second in range(3):
        fire_due(now=at("2026-03-29T05:00:00+00:00") + second)

    assert records(job) == ["29 03:00 +0200"]
    job.refresh_from_db()
    assert job.next_run_at == at("2026-03-30T02:30:00+02:00")
