"""The heartbeat follows its document and its interval; prompts at the start of a server."""

import asyncio

import pytest

from chat.cron.definitions import JobChanges
from chat.cron.firing import fire_due
from chat.cron.jobs import delete_job, update_job
from chat.cron.lifecycle import post_start_prompts
from chat.errors import CronJobReserved
from chat.memory.documents import read_document, write_document
from chat.models import CronJob, CronRun, Exchange, Session
from chat.notifications import Notification, listening
from runs.models import Run
from tests.chat.cron.scheduling import Scheduling, set_settings
from tests.runs.engine.conftest import Harness

NOW = 1_800_000_000


def write(name: str, text: str) -> None:
    write_document("", name, text, actor="test")


def heartbeat() -> CronJob:
    return CronJob.objects.get(name="__heartbeat__")


@pytest.mark.django_db
def test_there_is_a_heartbeat_while_its_document_says_something():
    fire_due(now=NOW)
    assert not CronJob.objects.exists()

    write("HEARTBEAT.md", "Look around.")
    fire_due(now=NOW)
    job = heartbeat()
    assert (job.enabled, job.owner, job.session_mode) == (True, "", "main")
    assert job.next_run_at == NOW + 30 * 60

    write("HEARTBEAT.md", " \n")
    fire_due(now=NOW + 1)
    assert (heartbeat().enabled, heartbeat().next_run_at) == (False, None)


@pytest.mark.django_db
def test_it_is_switched_off_and_on_in_the_settings():
    write("HEARTBEAT.md", "Look around.")
    fire_due(now=NOW)

    set_settings("cron", heartbeat_enabled=False)
    fire_due(now=NOW + 1)
    switched_off = heartbeat().enabled
    set_settings("cron", heartbeat_enabled=True)
    fire_due(now=NOW + 2)

    assert switched_off is False
    assert (heartbeat().enabled, heartbeat().next_run_at) == (True, NOW + 2 + 30 * 60)


@pytest.mark.django_db
def test_its_job_is_not_changed_or_deleted_like_others():
    write("HEARTBEAT.md", "Look around.")
    fire_due(now=NOW)

    with pytest.raises(CronJobReserved):
        update_job(heartbeat().pk, JobChanges(prompt="Something else."))
    with pytest.raises(CronJobReserved):
        delete_job(heartbeat().pk)
    assert heartbeat().enabled


@pytest.mark.django_db
@pytest.mark.parametrize("minutes", [1, 90, 1_440])
def test_another_interval_acts_at_once(minutes: int):
    write("HEARTBEAT.md", "Look around.")
    fire_due(now=NOW)

    set_settings("cron", heartbeat_interval_minutes=minutes)
    fire_due(now=NOW + 5)

    assert heartbeat().next_run_at == NOW + 5 + minutes * 60


async def test_it_says_what_the_document_says_now_in_a_session_of_its_own(
    harness: Harness, scheduling: Scheduling
):
    await scheduling.in_thread(write, "HEARTBEAT.md", "first")
    await scheduling.in_thread(scheduling.tick, 0)
    await scheduling.in_thread(write, "HEARTBEAT.md", "second")

    await scheduling.in_thread(scheduling.tick, 1_800)

    record = await scheduling.until(await scheduling.in_thread(CronRun.objects.get), "success")
    session = await scheduling.in_thread(Session.objects.get, pk=record.session_id)
    assert record.result_summary == "You said: second"
    assert (session.owner, session.key, session.triggered_by) == (
        "heartbeat",
        "main",
        "__heartbeat__",
    )


@pytest.mark.django_db(transaction=True)
def test_a_heartbeat_without_anything_to_do_tells_nobody():
    write("HEARTBEAT.md", "Look around.")
    fire_due(now=NOW)
    # Blanked in the same second in which it is due: the job is not switched off yet.
    told: list[Notification] = []
    job = heartbeat()
    CronRun.objects.create(job=job, due_at=NOW)
    write("HEARTBEAT.md", "")
    CronJob.objects.update(enabled=False)

    with listening(told.append):
        fire_due(now=NOW + 1)

    record = job.runs.get()
    assert (record.status, record.result_summary, record.session_id) == ("success", "skipped", "")
    assert not told
    assert not Session.objects.exists()


async def test_bootstrap_runs_until_it_succeeds_and_is_emptied_then(
    harness: Harness, scheduling: Scheduling
):
    await scheduling.in_thread(write, "BOOTSTRAP.md", "!fail auth")
    await scheduling.in_thread(post_start_prompts)
    await until_ended(scheduling, 1)
    assert await scheduling.in_thread(read_document, "", "BOOTSTRAP.md") == "!fail auth"

    await scheduling.in_thread(post_start_prompts)
    await until_ended(scheduling, 2)
    await scheduling.in_thread(write, "BOOTSTRAP.md", "hello")
    await scheduling.in_thread(post_start_prompts)
    await scheduling.in_thread(post_start_prompts)
    while await scheduling.in_thread(read_document, "", "BOOTSTRAP.md"):
        await asyncio.sleep(0.01)
    await scheduling.in_thread(post_start_prompts)

    owners = await scheduling.in_thread(lambda: set(Session.objects.values_list("owner", "key")))
    assert owners == {("bootstrap", "main")}
    assert await scheduling.in_thread(Exchange.objects.count) == 3


async def test_boot_runs_at_each_start(harness: Harness, scheduling: Scheduling):
    await scheduling.in_thread(write, "BOOT.md", "hello")

    await scheduling.in_thread(post_start_prompts)
    await scheduling.in_thread(post_start_prompts)
    await until_ended(scheduling, 2)

    session = await scheduling.in_thread(Session.objects.get)
    assert (session.owner, session.key, session.message_count) == ("boot", "main", 2)


async def until_ended(scheduling: Scheduling, count: int) -> None:
    ended = Run.objects.filter(status__in=["done", "failed", "error"])
    while await scheduling.in_thread(ended.count) < count:
        await asyncio.sleep(0.01)
