"""What is looked up for every message, run and second reads a few rows, however many there are."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.principals import OPEN
from chat.cron.records import exchange_of, record_ids_of
from chat.models import CronJob, CronRun, Exchange, Session, WebhookDelivery, WebhookMessage
from chat.services import turns
from chat.services.posting import Incoming, post_message
from chat.services.sessions import Address
from chat.webhooks.claims import claim_due, count_waiting, next_due
from chat.webhooks.definitions import NewEndpoint
from chat.webhooks.endpoints import create_endpoint, request_test
from chat.webhooks.finding import news_of_ends
from chat.webhooks.log import deliveries_of, forget_old_messages
from chat.webhooks.outbox import publish
from runs.services.starting import Idempotency
from tests.runs.inspector.logs import write_run

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "sqlite", reason="plans of SQLite"),
]

TABLES = (
    "chat_exchange",
    "chat_message",
    "chat_cronrun",
    "chat_webhookdelivery",
    "chat_webhookmessage",
)
#: Indexes that hold what is open and nothing else.
OF_WHAT_IS_OPEN = (
    "exchange_under_way",
    "exchange_waiting",
    "cron_run_running",
    "cron_run_waiting",
    "webhook_delivery_due",
)


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
    _deliveries()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _deliveries() -> None:
    wanted = NewEndpoint(url="https://example.com", events=["run.*"])
    endpoint = create_endpoint(wanted, actor="test").endpoint
    messages = [WebhookMessage(type="run.failed", key=f"k{number}") for number in range(2_000)]
    WebhookMessage.objects.bulk_create(messages)
    WebhookDelivery.objects.bulk_create(
        WebhookDelivery(endpoint=endpoint, message=message, state="delivered")
        for message in messages
    )
    request_test(endpoint.pk, actor="test")


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


def test_the_courier_finds_what_is_due():
    with no_table_is_walked():
        [letter] = claim_due("me", timezone.now(), {})
        next_due()
        count_waiting()
    with no_table_is_walked():
        deliveries_of(letter.endpoint_id, limit=50)


def test_what_has_happened_finds_its_message():
    run = write_run(end="failed")
    with no_table_is_walked():
        assert publish(news_of_ends([run.id])) == 1
        assert publish(news_of_ends([run.id])) == 0
        forget_old_messages()
