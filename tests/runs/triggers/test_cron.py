"""Cron triggers: each time once, whoever looks; what was missed; what cannot start."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from runs.models import CronTrigger, Run
from runs.triggers.definitions import CronDefinition
from runs.triggers.firing import fire_due
from runs.triggers.storing import store_trigger
from tests.conftest import StartServer
from tests.runs.api.daemon import change_stored
from tests.runs.graph_api.client import PATIENCE_SECONDS, GraphClient
from tests.runs.triggers.pages import AdminPages


def daily_at(moment: datetime) -> str:
    moment = moment.astimezone(UTC)
    return f"{moment.minute} {moment.hour} * * *"


def make_cron(moment: datetime, **fields: Any) -> CronTrigger:
    """Due at `moment`, which may be past, and then daily."""
    definition = CronDefinition(
        trigger_id="daily", cron_expression=daily_at(moment), params={"goal": "hello"}, **fields
    )
    trigger = store_trigger(definition, actor="test")
    CronTrigger.objects.filter(pk=trigger.pk).update(next_fire_at=moment)
    return CronTrigger.objects.get(pk=trigger.pk)


@pytest.fixture
def now() -> datetime:
    return timezone.now().replace(second=0, microsecond=0)


@pytest.mark.django_db(transaction=True)
def test_a_time_is_fired_for_once_however_many_look(now: datetime):
    trigger = make_cron(now)

    def look(_: int) -> None:
        try:
            fire_due(now=now + timedelta(seconds=1))
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as processes:
        list(processes.map(look, range(16)))

    [run] = Run.objects.all()
    trigger.refresh_from_db()
    assert (run.trigger_source, run.actor) == ("cron", "cron:daily")
    assert run.metadata == {"trigger_id": "daily"}
    assert trigger.next_fire_at == now + timedelta(days=1)
    assert trigger.last_run_id == run.id


@pytest.mark.django_db
def test_a_time_that_was_fired_for_stays_so_when_the_claim_is_lost(now: datetime):
    trigger = make_cron(now)
    fire_due(now=now)
    CronTrigger.objects.filter(pk=trigger.pk).update(next_fire_at=now)

    fire_due(now=now)

    assert Run.objects.count() == 1


@pytest.mark.django_db
def test_what_finds_the_queue_full_stays_due(now: datetime, settings):
    settings.STARPORT_QUEUE = 1
    trigger = make_cron(now)
    with transaction.atomic():
        waiting = Run.objects.create(goal="first in the queue")

    assert fire_due(now=now) == now
    waiting.delete()
    fire_due(now=now)

    trigger.refresh_from_db()
    assert trigger.last_run_id == Run.objects.get().id


@pytest.mark.django_db
def test_a_trigger_whose_graph_is_gone_says_so_and_goes_on(now: datetime):
    trigger = make_cron(now)
    CronTrigger.objects.filter(pk=trigger.pk).update(graph_id="gone")

    fire_due(now=now)

    trigger.refresh_from_db()
    assert "gone" in trigger.last_error
    assert trigger.next_fire_at == now + timedelta(days=1)


@pytest.mark.django_db
def test_a_change_that_leaves_the_schedule_alone_leaves_the_due_time_alone(now: datetime):
    trigger = make_cron(now)
    changed = CronDefinition(
        trigger_id="daily", cron_expression=daily_at(now), params={"goal": "another"}
    )

    store_trigger(changed, actor="test")
    trigger.refresh_from_db()
    assert trigger.next_fire_at == now

    store_trigger(CronDefinition(**{**vars(changed), "is_enabled": False}), actor="test")
    trigger.refresh_from_db()
    assert trigger.next_fire_at is None


def test_a_server_catches_up_with_what_it_missed_once_and_skips_where_told(
    start_server: StartServer,
):
    server = start_server()
    missed = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=2)
    with AdminPages(server) as pages:
        for policy in ("fire_once_catchup", "skip"):
            page = pages.post(
                "/admin/runs/crontrigger/add/",
                trigger_id=policy,
                graph_id="agent",
                params='{"goal": "hello"}',
                is_enabled="on",
                cron_expression=daily_at(missed),
                tz="UTC",
                missed_fire_policy=policy,
            )
            assert "was added successfully" in page
    server.stop()
    change_stored(
        server, "UPDATE runs_crontrigger SET next_fire_at = %s", str(missed.replace(tzinfo=None))
    )

    server.start_again()

    graphs = GraphClient(server.client)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(
        row["next_fire_at"] < datetime.now(UTC).isoformat()
        for row in graphs.client.get("/v1/triggers").json()
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    fired = {
        row["trigger_id"]: row["last_run_id"] for row in graphs.client.get("/v1/triggers").json()
    }
    [run] = graphs.page(trigger_source="cron")["items"]
    assert fired == {"fire_once_catchup": run["run_id"], "skip": None}
    assert graphs.until(run["run_id"], "done")
