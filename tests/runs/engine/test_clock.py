"""The clock asks twice a second, however many runs wait: no question may read them all."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from runs.services import queue


@pytest.mark.skipif(connection.vendor != "sqlite", reason="reads SQLite's query plan")
@pytest.mark.django_db
def test_timers_are_found_by_their_index():
    with CaptureQueriesContext(connection) as captured:
        queue.wake_due_runs()
        queue.next_wake_ns()

    due, _, following = (plan(query["sql"]) for query in captured.captured_queries)
    assert "run_wakes" in due
    assert "run_wakes" in following


@pytest.mark.skipif(connection.vendor != "sqlite", reason="reads SQLite's query plan")
@pytest.mark.django_db
def test_sleepers_with_mail_are_found_by_their_mail():
    with CaptureQueriesContext(connection) as captured:
        queue.wake_due_runs()

    _, with_mail = (plan(query["sql"]) for query in captured.captured_queries)
    assert "SCAN runs_run" not in with_mail
    assert "(id=?)" in with_mail


def plan(sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        return "\n".join(str(row[-1]) for row in cursor.fetchall())
