"""What a round of the monitor sees, and what it makes of it."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client import REGISTRY

from instances.models import HealthSample, Instance, RestartAttempt, StatusChange
from instances.objects import Health, Report, Status
from instances.operator_settings import MonitorSettings
from instances.services import recording
from instances.services.rounds import Poll, forget_history, forget_samples, record_round
from project.lib.pool import in_database_thread
from project.lib.tasks import end_task
from tests.accounts.cast import facts
from tests.instances.fake_backend import FakeBackend
from tests.instances.faults import Answer, Hang, Slow
from tests.instances.monitoring import RULES, Watched, counted, watching

pytestmark = pytest.mark.django_db(transaction=True)


@pytest_asyncio.fixture
async def watched(configured: FakeBackend, settings: Any) -> AsyncIterator[Watched]:
    settings.STARPORT_AUDIT_FLUSH_MS = 0
    async with watching(configured) as opened:
        yield opened


def report(instance_id: str = "a", status: Status = Status.RUNNING) -> Report:
    return Report(id=instance_id, status=status, created_at=1, updated_at=1)


def health(*, heartbeat: int) -> Health:
    return Health(cpu_percent=1.5, memory_mb=2, disk_mb=3, last_heartbeat=heartbeat, uptime_secs=4)


async def test_a_server_that_loses_its_turn_exports_no_numbers_of_instances(watched: Watched):
    watched.backend.add()
    await watched.round()
    running = {"status": "running"}
    while_watching = REGISTRY.get_sample_value("starport_instances", running)

    task = asyncio.create_task(watched.monitor.run())
    await asyncio.sleep(0)
    await end_task(task)

    afterwards = REGISTRY.get_sample_value("starport_instances", running)
    assert (while_watching, afterwards) == (1.0, None)


async def test_only_running_instances_are_polled(watched: Watched):
    running = watched.backend.add(name="one")
    for status in ("creating", "paused", "stopped", "error"):
        watched.backend.add(status=status)

    await watched.round()

    asked = [request.instance_id for request in watched.backend.seen("health")]
    assert asked == [running.id]


@pytest.mark.parametrize(("age", "status"), [(90, "running"), (91, "error"), (-3600, "running")])
def test_a_heartbeat_is_stale_when_it_is_older_than_the_timeout(age: int, status: str):
    recording.remember_list("http", [report()])
    now = datetime.now(UTC)

    record_round({"a": Poll(health(heartbeat=int(now.timestamp()) - age), now)}, RULES)

    assert Instance.objects.get().status == status


async def test_a_silent_instance_is_an_error_and_those_who_asked_are_called_back(watched: Watched):
    silent = watched.backend.add(
        name="web-1", heartbeat_at=int(time.time()) - 200, restart_heals=False
    )

    await watched.round()

    assert await watched.changes(silent) == [
        ("", "running", "appeared"),
        ("running", "error", "stale"),
    ]
    told = watched.told[-1]
    assert (told.instance_id, told.status) == (silent.id, Status.ERROR)
    assert told.health is not None and told.health.last_heartbeat == silent.heartbeat_at
    assert told.detail.startswith("no heartbeat for 20")
    recorded = (await in_database_thread(facts, "instance_status_changed"))[-1]
    assert (recorded["actor"], recorded["cause"]) == ("instances.monitor", "stale")


async def test_it_stays_an_error_while_the_backend_calls_it_running(watched: Watched):
    silent = watched.backend.add(heartbeat_at=1, restart_heals=False)
    await watched.round()

    await watched.round()

    assert len(await watched.changes(silent)) == 2
    assert (await watched.row(silent)).status == "error"


async def test_a_fresh_heartbeat_ends_it(watched: Watched):
    silent = watched.backend.add(heartbeat_at=1)
    await watched.round()
    await watched.until_restarted(silent, 1)

    await watched.round()

    assert (await watched.changes(silent))[-1] == ("error", "running", "recovered")
    row = await watched.row(silent)
    assert (row.why, row.stale_since) == ("", None)


async def test_a_health_that_cannot_be_read_changes_nothing(watched: Watched):
    silent = watched.backend.add(heartbeat_at=1)
    watched.backend.fail("health", Answer(500))
    before = counted("starport_instance_poll_failures_total", kind="failed")

    await watched.round()

    assert await watched.changes(silent) == [("", "running", "appeared")]
    assert not watched.backend.seen("restart")
    assert counted("starport_instance_poll_failures_total", kind="failed") == before + 1


async def test_a_round_without_a_list_is_left_out_and_the_log_says_so_once(
    watched: Watched, caplog: pytest.LogCaptureFixture
):
    bot = watched.backend.add()
    await watched.round()
    caplog.set_level(logging.INFO, "instances.monitor.loop")
    watched.backend.fail("list", Answer(500))
    for _ in range(3):
        await watched.round()
    watched.backend.heal()
    for _ in range(2):
        await watched.round()

    said = [record.message for record in caplog.records]
    assert said == ["the instances cannot be listed", "the instances can be listed again"]
    assert await watched.changes(bot) == [("", "running", "appeared")]
    assert len(watched.backend.seen("health")) == 3


async def test_every_change_is_noticed_and_by_whom_it_was_made(watched: Watched):
    bot = watched.backend.add(status="creating")
    await watched.round()
    bot.status = "running"
    await watched.round()
    del watched.backend.instances[bot.id]
    await watched.round()
    watched.backend.instances[bot.id] = bot
    await watched.round()

    assert await watched.changes(bot) == [
        ("", "creating", "appeared"),
        ("creating", "running", "reported"),
        ("running", "stopped", "disappeared"),
        ("stopped", "running", "appeared"),
    ]


async def test_a_hanging_backend_holds_up_no_round_and_what_was_not_reached_is_counted(
    watched: Watched,
):
    for _ in range(100):
        watched.backend.add()
    watched.backend.fail("health", Hang())
    skipped = counted("starport_instance_polls_skipped_total")

    await watched.round()

    asked = len(watched.backend.seen("health"))
    assert asked < 100
    assert counted("starport_instance_polls_skipped_total") == skipped + 100 - asked

    watched.backend.heal()
    # A single round reaches them all; it has the time that a busy machine needs.
    await watched.round(replace(RULES, poll_seconds=15))
    assert await in_database_thread(HealthSample.objects.count) == 100


async def test_one_slow_instance_does_not_keep_the_others_from_being_known(watched: Watched):
    slow, other = watched.backend.add(), watched.backend.add()
    watched.backend.fail("health", Slow(60), times=1)

    await watched.round()

    samples = await in_database_thread(
        HealthSample.objects.values_list("instance_id", flat=True).get
    )
    assert samples in (slow.id, other.id)


def test_what_was_done_while_the_list_was_on_its_way_is_newer():
    recording.remember_list("http", [report("paused"), report("killed")])
    asked_at = timezone.now()
    recording.remember_command("paused", Status.PAUSED, actor="ada")
    recording.remember("http", report("created", Status.CREATING), actor="ada")

    recording.remember_list("http", [report("paused"), report("killed")], asked_at=asked_at)

    found = dict(Instance.objects.values_list("id", "status"))
    assert found == {"paused": "paused", "killed": "running", "created": "creating"}


@pytest.mark.parametrize("count", [5, 60])
def test_a_round_that_finds_nothing_new_costs_the_same_for_any_number(count: int):
    reports = [report(f"i-{n}") for n in range(count)]
    now = datetime.now(UTC)
    polls = {r.id: Poll(health(heartbeat=int(now.timestamp())), now) for r in reports}
    recording.remember_list("http", reports)
    record_round(polls, RULES)

    with CaptureQueriesContext(
        connection,
    ) as captured:
        recording.remember_list("http", reports)
        record_round(polls, RULES)

    statements = [query["sql"] for query in captured if "SAVEPOINT" not in query["sql"]]
    work = [one for one in statements if one not in ("BEGIN", "COMMIT", "BEGIN IMMEDIATE")]
    assert len(work) == 5, work  # two reads, seen, health, samples


def test_samples_are_kept_as_long_as_the_settings_say():
    recording.remember_list("http", [report()])
    now = datetime.now(UTC)
    for hours in (0, 1, 73, 74, 75):
        at = now - timedelta(hours=hours)
        record_round({"a": Poll(health(heartbeat=int(at.timestamp())), at)}, RULES)

    deleted = [forget_samples(72, at_once=2) for _ in range(3)]

    assert deleted == [2, 1, 0]
    assert HealthSample.objects.count() == 2


def test_what_happened_is_listed_for_ninety_days():
    recording.remember_list("http", [report()])
    instance, now = Instance.objects.get(), timezone.now()
    for days in (89, 91, 92, 93):
        at = now - timedelta(days=days)
        StatusChange.objects.create(instance=instance, at=at, status="error", cause="stale")
        RestartAttempt.objects.create(instance=instance, at=at, succeeded=True)

    deleted = [forget_history(at_once=2) for _ in range(3)]

    assert deleted == [4, 2, 0]
    assert StatusChange.objects.count() == 2  # with that of its appearance
    assert RestartAttempt.objects.count() == 1


async def test_a_round_forgets_what_is_too_old(watched: Watched):
    instance = watched.backend.add()
    await watched.round()
    row, long_ago = await watched.row(instance), timezone.now() - timedelta(days=91)
    await StatusChange.objects.acreate(instance=row, at=long_ago, status="error", cause="stale")

    await watched.round()

    assert await watched.changes(instance) == [("", "running", "appeared")]


def test_no_samples_are_kept_when_the_settings_say_so():
    recording.remember_list("http", [report()])
    now = datetime.now(UTC)

    record_round(
        {"a": Poll(health(heartbeat=int(now.timestamp())), now)},
        MonitorSettings(keep_samples_hours=0),
    )

    assert not HealthSample.objects.exists()
    assert Instance.objects.get().health is not None


async def test_two_who_see_an_instance_at_once_record_it_once():
    reports = [report(f"i-{n}") for n in range(20)]

    looks = [in_database_thread(recording.remember_list, "http", reports) for _ in range(4)]
    await asyncio.gather(*looks)

    assert await in_database_thread(StatusChange.objects.count) == 20
