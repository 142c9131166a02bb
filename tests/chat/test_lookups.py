"""What is looked up for every message, run and second reads a few rows, however many there are."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.principals import OPEN
from chat.cron.records import exchange_of, record_ids_of
from chat.models import CronJob, CronRun, Exchange, Session
from chat.services import turns
from chat.services.posting import Incoming, post_message
from chat.services.sessions import Address
from runs.services.starting import Idempotency

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "sqlite", reason="plans of SQLite"),
]

TABLES = ("chat_exchange", "chat_message", "chat_cronrun")
#: Indexes that hold what is open and nothing else.
OF_WHAT_IS_OPEN = ("exchange_under_way", "exchange_waiting", "cron_run_running", "cron_run_waiting")


@pytest.fixture(autouse=True)
def _history(settings: object) -> None:
    """Enough rows for the planner to care."""
    now = timezone.now()
    session = Session.objects.create(owner="u", channel="main", key="k", last_message_at=now)
    rows = [
        Exchange(session=session, text="x", actor="a", status="answered", run_id=f"r{number}")
        for number in range(2_000)
    ]
    Exchange.objects.bulk_create(rows)
    job = CronJob.objects.create(
        name="j", prompt="x", schedule={"kind": "interval", "every_ms": 3_600_000}, created_at=0
    )
    CronRun.objects.bulk_create(
        CronRun(job=job, due_at=number, status="success", run_id=f"r{number}")
        for number in range(2_000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


@contextmanager
def no_table_is_walked() -> Iterator[None]:
    with CaptureQueriesContext(connection) as captured:
        yield
    selects = [query["sql"] for query in captured if query["sql"].startswith("SELECT")]
    assert selects
    for sql in selects:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            steps = [row[3] for row in cursor.fetchall()]
        walked = [
            step
            for step in steps
            if step.startswith(tuple(f"SCAN {table}" for table in TABLES))
            and not step.endswith(OF_WHAT_IS_OPEN)
        ]
        assert not walked, f"{walked}: {sql}"


def test_a_run_that_ends_finds_its_session():
    with no_table_is_walked():
        turns.run_has_changed("r7")
        record_ids_of("r7")


def test_the_sweep_finds_what_is_open():
    with no_table_is_walked():
        turns.sweep()


def test_a_message_with_a_key_finds_its_twin():
    idempotency = Idempotency("scope", "key", {})
    address = Address("u", "main", "another")
    with no_table_is_walked():
        post_message(address, Incoming("hello"), caller=OPEN, idempotency=idempotency)


def test_the_scheduler_finds_what_is_under_way():
    record = CronRun.objects.get(due_at=7)
    with no_table_is_walked():
        list(CronRun.objects.running())
        list(CronRun.objects.filter(status="pending").order_by("due_at", "attempt"))
        exchange_of(record)
