"""From a due time to a record, a run and what it came to: once, whoever looks and whoever dies."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from accounts.models import User
from accounts.principals import OPEN, user_principal
from chat.cron.definitions import JobChanges, NewJob
from chat.cron.firing import fire_due
from chat.cron.jobs import create_job, maker_of, update_job
from chat.cron.records import DISABLED, KEPT, MISSED, forget_old
from chat.cron.settling import BACKOFF
from chat.errors import CronJobUnderWay
from chat.models import CronJob, CronRun, Exchange, Session
from chat.notifications import Notification, listening
from runs.models import Run
from runs.services.lifecycle import cancel_run, respond
from tests.chat.cron.scheduling import WAITING_PROMPT, Gate, Scheduling, set_settings
from tests.factories import make_user
from tests.runs.engine.conftest import Harness

HOURLY = {"kind": "interval", "every_ms": 3_600_000}
ASKS = '!tool ask_human {"prompt": "Which colour?"}\n!turn\n!say Thank you.'


async def ran(scheduling: Scheduling, job: CronJob, *, at: int = 1) -> CronRun:
    """The newest record of a job that was due at that second, once it is closed."""
    await scheduling.in_thread(scheduling.tick, at)
    record = await scheduling.in_thread(lambda: job.runs.newest_first().first())
    return await scheduling.until(record, "success", "failed", "skipped")


def seconds(moment: int | None) -> int:
    """Of a time that there must be."""
    assert moment is not None
    return moment


async def fresh(scheduling: Scheduling, job: CronJob) -> CronJob:
    found: CronJob = await scheduling.in_thread(CronJob.objects.get, pk=job.pk)
    return found


async def test_a_run_is_a_message_on_behalf_of_the_jobs_owner(
    harness: Harness, scheduling: Scheduling
):
    job = await scheduling.in_thread(scheduling.make_job)

    record = await ran(scheduling, job)

    assert (record.status, record.result_summary) == ("success", "You said: hello")
    session = await scheduling.in_thread(Session.objects.get, pk=record.session_id)
    run = await harness.get(record.run_id)
    assert (session.owner, session.triggered_by, session.is_read) == (
        scheduling.owner,
        "job",
        False,
    )
    assert (run.creator_id, run.trigger_source, run.graph_id) == (scheduling.owner, "cron", "chat")
    job = await fresh(scheduling, job)
    assert (job.last_run_at, job.next_run_at) == (scheduling.began + 1, scheduling.began + 2)


async def test_isolated_runs_have_sessions_of_their_own_and_main_ones_share_one(
    harness: Harness, scheduling: Scheduling
):
    isolated = await scheduling.in_thread(scheduling.make_job)
    alone = {(await ran(scheduling, isolated, at=second)).session_id for second in (1, 2)}
    main = await scheduling.in_thread(scheduling.make_job, name="main", session_mode="main")
    shared = {(await ran(scheduling, main, at=second)).session_id for second in (3, 4)}

    assert (len(alone), len(shared)) == (2, 1)
    session = await scheduling.in_thread(Session.objects.get, pk=shared.pop())
    assert (session.key, session.message_count) == ("main", 2)


@pytest.mark.django_db(transaction=True)
def test_a_time_becomes_one_run_however_many_schedulers_look():
    scheduling = Scheduling(make_user().pk)
    set_settings("cron", max_concurrent_runs=8)
    jobs = [scheduling.make_job(name=f"job {number}") for number in range(3)]

    def look(_: int) -> None:
        try:
            scheduling.tick(1)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as schedulers:
        list(schedulers.map(look, range(16)))

    assert [scheduling.records(job) for job in jobs] == [[(1, 0, "running")]] * 3
    assert Run.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_schedulers_together_keep_to_the_slots():
    scheduling = Scheduling(make_user().pk)
    set_settings("cron", max_concurrent_runs=2)
    for number in range(6):
        scheduling.make_job(name=f"job {number}")

    def look(_: int) -> None:
        try:
            scheduling.tick(1)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as schedulers:
        list(schedulers.map(look, range(8)))

    assert CronRun.objects.running().count() == Run.objects.count() == 2


@pytest.mark.django_db
def test_a_scheduler_that_stops_between_the_record_and_the_run_is_made_good(settings):
    scheduling = Scheduling(make_user().pk)
    job = scheduling.make_job()
    settings.STARPORT_QUEUE = 1  # full: the tick ends where a kill would end it
    in_the_way = Run.objects.create(goal="first in the queue")

    scheduling.tick(1)
    left = scheduling.records(job), Exchange.objects.count(), Session.objects.count()
    in_the_way.delete()
    scheduling.tick(2)

    assert left == ([(1, 0, "pending")], 0, 0)
    assert scheduling.records(job) == [(1, 0, "running"), (2, 0, "skipped")]
    assert Run.objects.count() == 1


async def test_a_run_that_ended_while_nobody_was_there_closes_its_record(
    harness: Harness, scheduling: Scheduling
):
    job = await scheduling.in_thread(scheduling.make_job, schedule=HOURLY)
    await ran(scheduling, job, at=3_600)
    unnoticed = {"status": "running", "completed_at": None, "result_summary": ""}
    await scheduling.in_thread(lambda: job.runs.update(**unnoticed))

    await scheduling.in_thread(scheduling.tick, 3_700)

    record = await scheduling.in_thread(job.runs.get)
    assert (record.status, record.result_summary) == ("success", "You said: hello")
    assert record.completed_at == scheduling.began + 3_700


@pytest.mark.django_db
@pytest.mark.parametrize(("catches_up", "status"), [(True, "running"), (False, "skipped")])
def test_what_was_missed_is_made_up_for_once_or_let_pass(catches_up: bool, status: str):
    scheduling = Scheduling(make_user().pk)
    job = scheduling.make_job(schedule=HOURLY, catches_up=catches_up)

    scheduling.tick(5 * 3_600 + 600)
    scheduling.tick(5 * 3_600 + 601)

    assert scheduling.records(job) == [(3_600, 0, status)]
    assert (job.runs.get().result_summary == MISSED) is not catches_up
    job.refresh_from_db()
    assert job.next_run_at == scheduling.began + 6 * 3_600


async def test_a_failure_is_tried_again_by_the_table_and_the_counter_begins_anew(
    harness: Harness, scheduling: Scheduling
):
    job = await scheduling.in_thread(
        scheduling.make_job, "!fail auth", schedule=HOURLY, max_retries=2
    )
    delays = []

    await ran(scheduling, job, at=3_600)
    for attempt in (1, 2):
        failed = await fresh(scheduling, job)
        last = await scheduling.in_thread(lambda: job.runs.newest_first().first())
        assert (failed.retry_count, failed.enabled) == (attempt, True)
        delays.append(seconds(failed.retry_at) - last.completed_at)
        await scheduling.in_thread(scheduling.tick, seconds(failed.retry_at) - scheduling.began)
        record = await scheduling.in_thread(lambda: job.runs.newest_first().first())
        assert (record.due_at, record.attempt) == (scheduling.began + 3_600, attempt)
        await scheduling.until(record, "failed")

    exhausted = await fresh(scheduling, job)
    assert delays == list(BACKOFF[:2]) == [30, 60]
    assert (exhausted.retry_at, exhausted.enabled) == (None, True)
    assert "auth" in exhausted.last_error
    assert exhausted.next_run_at == scheduling.began + 2 * 3_600

    await ran(scheduling, job, at=2 * 3_600)
    again = await fresh(scheduling, job)
    assert (again.retry_count, again.retry_at is None) == (1, False)


async def test_success_forgets_what_failed_before(harness: Harness, scheduling: Scheduling):
    job = await scheduling.in_thread(scheduling.make_job, "!fail auth", schedule=HOURLY)
    await ran(scheduling, job, at=3_600)
    await scheduling.in_thread(update_job, job.pk, JobChanges(prompt="hello"))
    failed = await fresh(scheduling, job)

    await ran(scheduling, job, at=seconds(failed.retry_at) - scheduling.began)

    job = await fresh(scheduling, job)
    assert (job.retry_count, job.retry_at, job.last_error) == (0, None, "")


@pytest.mark.parametrize("delete_after_run", [False, True])
async def test_a_one_shot_is_over_only_when_its_retries_are(
    harness: Harness, scheduling: Scheduling, delete_after_run: bool
):
    at = datetime.fromtimestamp(scheduling.began + 60, UTC).isoformat()
    job = await scheduling.in_thread(
        scheduling.make_job,
        "!fail auth",
        schedule={"kind": "one_shot", "at": at},
        max_retries=1,
        delete_after_run=delete_after_run,
    )

    await ran(scheduling, job, at=60)
    failed = await fresh(scheduling, job)
    assert (failed.enabled, failed.next_run_at, failed.retry_at is None) == (True, None, False)
    await scheduling.in_thread(scheduling.tick, seconds(failed.retry_at) - scheduling.began)

    while (left := await scheduling.in_thread(CronJob.objects.first)) and left.enabled:
        await asyncio.sleep(0.01)
    assert (left is None) is delete_after_run


async def test_a_run_that_takes_too_long_is_cancelled_and_has_failed(
    harness: Harness, scheduling: Scheduling, gate: Gate
):
    job = await scheduling.in_thread(
        scheduling.make_job, WAITING_PROMPT, schedule=HOURLY, timeout_secs=60
    )
    await scheduling.in_thread(scheduling.tick, 3_600)
    await gate.until_waiting(1)

    await scheduling.in_thread(scheduling.tick, 3_659)
    assert await scheduling.in_thread(scheduling.records, job) == [(3_600, 0, "running")]
    await scheduling.in_thread(scheduling.tick, 3_660)

    record = await scheduling.until(await scheduling.in_thread(job.runs.get), "failed")
    assert record.result_summary == "Timed out"
    assert (await harness.get(record.run_id)).status == Run.Status.CANCELLED
    assert (await fresh(scheduling, job)).retry_count == 1


async def test_a_message_that_waits_behind_others_times_out_too(
    harness: Harness, scheduling: Scheduling, gate: Gate
):
    fields = {"schedule": HOURLY, "session_mode": "main"}
    await scheduling.in_thread(scheduling.make_job, WAITING_PROMPT, name="first", **fields)
    job = await scheduling.in_thread(scheduling.make_job, timeout_secs=60, **fields)
    await scheduling.in_thread(scheduling.tick, 3_600)
    await gate.until_waiting(1)

    await scheduling.in_thread(scheduling.tick, 3_660)

    record = await scheduling.in_thread(job.runs.get)
    assert (record.status, record.result_summary, record.run_id) == ("failed", "Timed out", "")


async def test_what_somebody_cancels_is_not_tried_again(
    harness: Harness, scheduling: Scheduling, gate: Gate
):
    job = await scheduling.in_thread(scheduling.make_job, WAITING_PROMPT)
    await scheduling.in_thread(scheduling.tick, 1)
    await gate.until_waiting(1)
    record = await scheduling.in_thread(job.runs.get)

    await scheduling.in_thread(cancel_run, run_id=record.run_id, actor="owner")

    record = await scheduling.until(record, "failed")
    assert record.result_summary == "Cancelled"
    assert (await fresh(scheduling, job)).retry_at is None


async def test_time_in_which_a_person_is_asked_does_not_count(
    harness: Harness, scheduling: Scheduling
):
    job = await scheduling.in_thread(scheduling.make_job, ASKS, schedule=HOURLY, timeout_secs=60)
    await scheduling.in_thread(scheduling.tick, 3_600)
    record = await scheduling.in_thread(job.runs.get)
    await harness.until_asked(record.run_id, "Which colour?")
    told: list[Notification] = []

    with listening(told.append):
        for second in (3_601, 3_602, 7_000):
            await scheduling.in_thread(scheduling.tick, second)

    record = await scheduling.in_thread(job.runs.get)
    assert (record.status, [note.result_preview for note in told]) == (
        "running",
        ["Waits for an answer: Which colour?"],
    )


async def test_a_prompt_by_time_is_no_answer_to_what_its_session_waits_for(
    harness: Harness, scheduling: Scheduling
):
    fields = {"session_mode": "main", "schedule": HOURLY}
    asking = await scheduling.in_thread(scheduling.make_job, ASKS, name="asks", **fields)
    await scheduling.in_thread(scheduling.tick, 3_600)
    asked = await scheduling.in_thread(asking.runs.get)
    await harness.until_asked(asked.run_id, "Which colour?")

    job = await scheduling.in_thread(scheduling.make_job, **fields)
    record = await ran(scheduling, job, at=3_600)

    assert (record.status, record.session_id) == ("success", asked.session_id)
    assert (await harness.get(asked.run_id)).status == Run.Status.AWAITING_INPUT


async def test_an_answer_in_the_inbox_ends_the_record_and_completes_the_transcript(
    harness: Harness, scheduling: Scheduling
):
    job = await scheduling.in_thread(scheduling.make_job, ASKS)
    await scheduling.in_thread(scheduling.tick, 1)
    record = await scheduling.in_thread(job.runs.get)
    await harness.until_asked(record.run_id, "Which colour?")

    await scheduling.in_thread(
        respond, run_id=record.run_id, response="green", caller=OPEN, actor_claimed=""
    )

    record = await scheduling.until(record, "success")
    assert record.result_summary == "Thank you."
    session = await scheduling.in_thread(Session.objects.get, pk=record.session_id)
    newest = await scheduling.in_thread(lambda: session.messages.order_by("-id").first())
    assert newest.content == "Thank you."


@pytest.mark.parametrize(
    ("prompt", "success", "column"), [("hello", True, "final_text"), ("!fail auth", False, "error")]
)
async def test_owners_are_told_of_success_and_failure_in_short(
    harness: Harness, scheduling: Scheduling, prompt: str, success: bool, column: str
):
    job = await scheduling.in_thread(scheduling.make_job, prompt)
    record = await ran(scheduling, job)
    told: list[Notification] = []

    with listening(told.append):
        # As if it had ended unnoticed, with a long text.
        runs = Run.objects.filter(pk=record.run_id)
        await scheduling.in_thread(lambda: runs.update(**{column: "x" * 600}))
        await scheduling.in_thread(lambda: job.runs.update(status="running"))
        await scheduling.in_thread(scheduling.tick, 1)

    [note] = told
    assert (note.owner, note.job_name, note.success) == (scheduling.owner, "job", success)
    assert note.session_id == (record.session_id if success else "")
    assert note.result_preview == "x" * 500 + "..."


async def test_by_hand_a_job_runs_beside_its_schedule_and_is_not_tried_again(
    harness: Harness, scheduling: Scheduling
):
    job = await scheduling.in_thread(
        scheduling.make_job, "!fail auth", schedule=HOURLY, enabled=False
    )

    record = await scheduling.in_thread(scheduling.run_now, job, 10)

    record = await scheduling.until(record, "failed")
    job = await fresh(scheduling, job)
    assert (record.attempt, record.due_at) == (-1, scheduling.began + 10)
    assert (job.retry_at, job.enabled, job.next_run_at) == (None, False, None)


@pytest.mark.django_db
def test_by_hand_a_job_is_not_started_beside_itself_unless_it_may():
    scheduling = Scheduling(make_user().pk)
    alone = scheduling.make_job(schedule=HOURLY)
    scheduling.run_now(alone, 10)
    beside = scheduling.make_job(name="beside", schedule=HOURLY, overlap="parallel")

    records = [scheduling.run_now(beside, 10) for _ in range(2)]

    with pytest.raises(CronJobUnderWay):
        scheduling.run_now(alone, 11)
    assert [record.attempt for record in records] == [-1, -2]


@pytest.mark.django_db
def test_a_disabled_job_lets_go_of_what_waits():
    scheduling = Scheduling(make_user().pk)
    job = scheduling.make_job(overlap="queue")
    for second in (1, 2):
        scheduling.tick(second)

    update_job(job.pk, JobChanges(enabled=False), now=scheduling.began + 2)
    scheduling.tick(3)

    assert scheduling.records(job) == [(1, 0, "running"), (2, 0, "skipped")]
    assert job.runs.get(status="skipped").result_summary == DISABLED


@pytest.mark.django_db
def test_nothing_is_run_for_whoever_may_not_chat():
    owner = make_user()
    scheduling = Scheduling(owner.pk)
    job = scheduling.make_job()
    User.objects.filter(pk=owner.pk).update(is_active=False)

    scheduling.tick(1)
    scheduling.tick(2)
    by_hand = scheduling.run_now(job, 3)

    assert scheduling.records(job) == [(1, 0, "skipped"), (3, -1, "skipped")]
    assert by_hand.status == "skipped"
    assert not Run.objects.exists()


@pytest.mark.django_db
def test_a_limited_key_makes_jobs_that_may_do_no_more():
    user = make_user()
    limited = user_principal(
        user_id=user.pk, role=user.role, provider="api_key", limited_to=["chat:use"]
    )
    wanted = NewJob(name="limited", prompt="hello", schedule={"kind": "interval", "every_ms": 1000})
    job = create_job(maker_of(limited), wanted)

    fire_due(now=job.next_run_at)

    assert Run.objects.get().granted == ["chat:use"]


@pytest.mark.django_db
def test_a_change_of_the_time_zone_acts_at_once():
    scheduling = Scheduling(make_user().pk)
    set_settings("general", timezone="UTC")
    job = scheduling.make_job(schedule={"kind": "cron", "expr": "0 9 * * *"})
    in_utc = datetime.fromtimestamp(seconds(job.next_run_at), UTC)

    set_settings("general", timezone="Asia/Kolkata")
    scheduling.tick(0)

    job.refresh_from_db()
    moved = datetime.fromtimestamp(seconds(job.next_run_at), ZoneInfo("Asia/Kolkata"))
    assert (in_utc.hour, moved.hour, job.zone) == (9, 9, "Asia/Kolkata")
    assert job.next_run_at != int(in_utc.timestamp())


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("setting", "host", "expected"),
    [
        ("Asia/Kolkata", "Asia/Tokyo", "Asia/Kolkata"),
        ("", "Asia/Tokyo", "Asia/Tokyo"),
        ("", "CET-1CEST", None),  # no name of a zone: whatever the machine has besides
    ],
)
def test_times_are_meant_in_the_zone_of_the_settings_else_of_the_machine(
    settings, setting: str, host: str, expected: str | None
):
    settings.HOST_TIME_ZONE = host
    set_settings("general", timezone=setting)

    job = Scheduling(make_user().pk).make_job(schedule={"kind": "cron", "expr": "0 9 * * *"})

    assert job.zone == expected or expected is None
    assert datetime.fromtimestamp(seconds(job.next_run_at), ZoneInfo(job.zone)).hour == 9


@pytest.mark.django_db
def test_a_time_that_was_run_for_stays_so_when_the_claim_is_lost():
    scheduling = Scheduling(make_user().pk)
    job = scheduling.make_job(overlap="parallel")
    scheduling.tick(1)
    CronJob.objects.update(next_run_at=scheduling.began + 1)

    scheduling.tick(1)

    assert scheduling.records(job) == [(1, 0, "running")]
    assert Run.objects.count() == 1


@pytest.mark.django_db
def test_old_records_are_forgotten():
    scheduling = Scheduling(make_user().pk)
    job = scheduling.make_job()
    CronRun.objects.bulk_create(
        CronRun(job=job, due_at=number, status="success") for number in range(KEPT + 50)
    )

    forget_old(job)

    assert job.runs.count() == KEPT
    assert set(job.runs.values_list("due_at", flat=True)) == set(range(50, KEPT + 50))
