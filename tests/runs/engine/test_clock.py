"""The clock asks twice a second, however many runs wait: no question may read them all."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from runs.models import Run
from runs.services import queue

pytestmark = pytest.mark.django_db
reads_plans = pytest.mark.skipif(connection.vendor != "sqlite", reason="reads SQLite's query plan")


@reads_plans
def test_timers_are_found_by_their_index():
    sleeper()

    soonest, due, _ = asked()

    assert "run_wakes" in plan(soonest)
    assert "run_wakes" in plan(due)


@reads_plans
def test_sleepers_with_mail_are_found_by_their_mail():
    sleeper()

    _, _, with_mail = asked()

    assert "SCAN runs_run" not in plan(with_mail)
    assert "(id=?)" in plan(with_mail)


def test_when_nobody_sleeps_one_question_is_enough():
    assert len(asked()) == 1


def sleeper() -> None:
    """A run that a timer of the year 2100 will bring further."""
    Run.objects.create(id="sleeper", status=Run.Status.RUNNING, wake_ns=4_102_444_800 * 10**9)


def asked() -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        queue.wake_due_runs()
    return [query["sql"] for query in captured.captured_queries]


def plan(sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        return "\n".join(str(row[-1]) for row in cursor.fetchall())
