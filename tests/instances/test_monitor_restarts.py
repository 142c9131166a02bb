"""When what is silent is restarted, and when the monitor stops trying."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from chat.models import WebhookMessage
from chat.webhooks.definitions import NewEndpoint
from chat.webhooks.endpoints import create_endpoint
from instances.models import RestartAttempt
from instances.objects import Status
from instances.operator_settings import MonitorSettings
from instances.services import fleet, recording
from instances.services.restarts import claim_restart
from project.lib.pool import in_database_thread
from tests.accounts.cast import facts
from tests.instances.fake_backend import FakeBackend
from tests.instances.faults import Answer, Slow
from tests.instances.monitoring import PATIENCE_SECONDS, RULES, Watched, watching

pytestmark = pytest.mark.django_db(transaction=True)


@pytest_asyncio.fixture
async def watched(configured: FakeBackend, settings: Any) -> AsyncIterator[Watched]:
    settings.STARPORT_AUDIT_FLUSH_MS = 0
    async with watching(configured) as opened:
        yield opened


def silent_instance(watched: Watched, **fields: Any) -> Any:
    """Restarts do not help it."""
    return watched.backend.add(heartbeat_at=1, **{"restart_heals": False, **fields})


def restarts(watched: Watched) -> int:
    return len(watched.backend.seen("restart"))


async def test_a_silent_instance_is_restarted_on_record(watched: Watched):
    silent = silent_instance(watched)

    await watched.round()
    await watched.until_restarted(silent, 1)

    assert restarts(watched) == 1
    recorded = await in_database_thread(facts, "instance_restarted")
    assert [(one["actor"], one["instance_id"], one["outcome"]) for one in recorded] == [
        ("instances.monitor", silent.id, "done")
    ]
    assert "; restarted at " in (await watched.row(silent)).why


async def test_it_waits_a_heartbeat_timeout_before_the_next_one_and_then_twice_that(
    watched: Watched,
):
    silent = silent_instance(watched)
    counts: list[int] = []
    for seconds in (0, 85, 10, 85, 85, 15):
        await watched.let_pass(seconds)
        await watched.round()
        if seconds in (0, 10, 15):
            await watched.until_restarted(silent, len(set(counts)) + 1)
        counts.append(restarts(watched))

    assert counts == [1, 1, 2, 2, 2, 3]


async def test_after_so_many_within_an_hour_it_gives_up_and_says_so_once(watched: Watched):
    silent = silent_instance(watched, name="web-1")
    for count in (1, 2, 3):
        await watched.round()
        await watched.until_restarted(silent, count)
        await watched.let_pass(400)
    for seconds in (0, 400, 7200):
        await watched.let_pass(seconds)
        await watched.round()

    row = await watched.row(silent)
    assert restarts(watched) == 3
    assert row.status == "error" and row.given_up_at is not None
    assert "given up after 3 restarts within an hour" in row.why
    recorded = await in_database_thread(facts, "instance_given_up")
    assert [one["instance_id"] for one in recorded] == [silent.id]


async def test_giving_up_reaches_webhooks_at_once(watched: Watched, settings: Any):
    settings.STARPORT_SSRF_ALLOW = ["127.0.0.0/8"]
    endpoint = NewEndpoint(url="http://127.0.0.1:9/", events=["instance.given_up"])
    await in_database_thread(create_endpoint, endpoint, owner="", actor="test")
    rules = MonitorSettings(poll_seconds=1, restarts_per_hour=1)
    silent = silent_instance(watched)
    await watched.round(rules)
    await watched.until_restarted(silent, 1)
    await watched.let_pass(400)

    await watched.round(rules)

    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await in_database_thread(WebhookMessage.objects.count):
            await asyncio.sleep(0.02)


async def test_a_fresh_heartbeat_or_a_command_gives_it_another_chance(watched: Watched):
    rules = MonitorSettings(poll_seconds=1, restarts_per_hour=1)
    silent = silent_instance(watched)
    await watched.round(rules)
    await watched.until_restarted(silent, 1)
    await watched.let_pass(3500)
    await watched.round(rules)
    assert (await watched.row(silent)).given_up_at is not None

    await fleet.restart_instance(silent.id, actor="ada")
    assert (await watched.row(silent)).status == "running"
    await watched.round(rules)
    assert (await watched.row(silent)).status == "running"  # it has the time to come up
    await watched.let_pass(3600)
    await watched.round(rules)
    await watched.until_restarted(silent, 2)

    silent.heartbeat_at = None
    await watched.round(rules)
    row = await watched.row(silent)
    assert (row.status, row.given_up_at) == ("running", None)


async def test_a_restart_that_the_backend_refuses_counts_and_is_told(watched: Watched):
    silent = silent_instance(watched)
    watched.backend.fail("restart", Answer(500))

    await watched.round()
    await watched.until_restarted(silent, 1)
    await watched.round()

    attempt = await in_database_thread(RestartAttempt.objects.get)
    assert not attempt.succeeded and attempt.error
    assert restarts(watched) == 1
    assert "the restart failed" in (await watched.row(silent)).why


async def test_a_restart_that_takes_long_delays_no_round_and_is_not_begun_again(watched: Watched):
    silent_instance(watched)
    watched.backend.fail("restart", Slow(60), times=1)

    for _ in range(3):
        await watched.round()
    await asyncio.to_thread(watched.backend.wait_for, "restart")

    assert len(watched.backend.seen("health")) == 3
    assert restarts(watched) == 1


async def test_a_server_that_dies_in_a_restart_has_made_an_attempt(watched: Watched):
    silent = silent_instance(watched)
    await watched.round(MonitorSettings(poll_seconds=1, auto_restart=False))

    first = await in_database_thread(claim_restart, silent.id, RULES)
    second = await in_database_thread(claim_restart, silent.id, RULES)

    assert first is not None and second is None
    attempt = await in_database_thread(RestartAttempt.objects.get)
    assert (attempt.succeeded, attempt.error) == (False, "interrupted")


async def test_a_pause_between_the_poll_and_the_restart_is_not_undone(watched: Watched):
    silent = silent_instance(watched)
    watched.backend.fail("get", Slow(1), times=1)
    await watched.round()
    await asyncio.to_thread(watched.backend.wait_for, "get")

    await fleet.pause_instance(silent.id, actor="ada")
    await watched.monitor.finish()

    assert restarts(watched) == 0
    assert silent.status == "paused"
    assert (await watched.row(silent)).status == "paused"


async def test_a_pause_that_only_we_know_of_is_not_undone(watched: Watched):
    silent = silent_instance(watched)
    await watched.round(MonitorSettings(poll_seconds=1, auto_restart=False))

    await in_database_thread(recording.remember_command, silent.id, Status.PAUSED, actor="ada")

    assert await in_database_thread(claim_restart, silent.id, RULES) is None


async def test_one_that_disappeared_before_its_restart_is_stopped(watched: Watched):
    silent = silent_instance(watched)
    watched.backend.fail("get", Answer(404))
    await watched.round()
    await watched.monitor.finish()

    assert restarts(watched) == 0
    assert (await watched.changes(silent))[-1] == ("error", "stopped", "disappeared")


async def test_with_restarts_switched_off_it_is_an_error_and_nothing_more(watched: Watched):
    silent = silent_instance(watched)

    await watched.round(MonitorSettings(poll_seconds=1, auto_restart=False))

    assert (await watched.row(silent)).status == "error"
    assert not await in_database_thread(RestartAttempt.objects.exists)
    assert restarts(watched) == 0


async def test_one_that_was_paused_for_long_has_time_for_its_first_heartbeat(watched: Watched):
    bot = watched.backend.add(status="paused", heartbeat_at=int(time.time()) - 5000)
    await watched.round()
    bot.status = "running"
    await watched.round()
    await watched.round()
    assert (await watched.row(bot)).status == "running"

    await watched.let_pass(100)
    await watched.round()
    assert (await watched.row(bot)).status == "error"
