"""A job of every second whose prompt takes longer: what each overlap policy makes of that."""

from chat.cron.records import BUSY
from chat.models import CronJob, CronRun
from tests.chat.cron.scheduling import WAITING_PROMPT, Gate, Scheduling, set_settings
from tests.runs.engine.conftest import Harness


async def test_skip_lets_times_pass_while_a_run_is_under_way(
    harness: Harness, scheduling: Scheduling, gate: Gate
):
    job = await scheduling.in_thread(scheduling.make_job, WAITING_PROMPT)

    for second in range(1, 11):
        await scheduling.in_thread(scheduling.tick, second)

    assert await scheduling.in_thread(scheduling.records, job) == [
        (1, 0, "running"),
        (2, 0, "skipped"),
    ]
    skipped = await scheduling.in_thread(CronRun.objects.get, status="skipped")
    assert (skipped.completed_at, skipped.result_summary) == (scheduling.began + 10, BUSY)
    assert (skipped.run_id, skipped.session_id, skipped.started_at) == ("", "", None)

    await gate.until_waiting(1)
    gate.open()
    first = await scheduling.in_thread(CronRun.objects.get, status="running")
    await scheduling.until(first, "success")
    await scheduling.in_thread(scheduling.tick, 11)

    assert await scheduling.in_thread(scheduling.records, job) == [
        (1, 0, "success"),
        (2, 0, "skipped"),
        (11, 0, "running"),
    ]


async def test_queue_runs_for_each_time_one_after_the_other(
    harness: Harness, scheduling: Scheduling, gate: Gate
):
    job = await scheduling.in_thread(scheduling.make_job, WAITING_PROMPT, overlap="queue")

    for second in range(1, 4):
        await scheduling.in_thread(scheduling.tick, second)

    assert await scheduling.in_thread(scheduling.records, job) == [
        (1, 0, "running"),
        (2, 0, "pending"),
        (3, 0, "pending"),
    ]

    await gate.until_waiting(1)
    gate.open()
    first = await scheduling.in_thread(CronRun.objects.get, status="running")
    await scheduling.until(first, "success")
    await scheduling.in_thread(scheduling.tick, 3)

    assert await scheduling.in_thread(scheduling.records, job) == [
        (1, 0, "success"),
        (2, 0, "running"),
        (3, 0, "pending"),
    ]


async def test_parallel_runs_side_by_side_as_far_as_there_are_slots(
    harness: Harness, scheduling: Scheduling, gate: Gate
):
    await scheduling.in_thread(set_settings, "cron", max_concurrent_runs=2)
    job = await scheduling.in_thread(scheduling.make_job, WAITING_PROMPT, overlap="parallel")

    for second in range(1, 4):
        await scheduling.in_thread(scheduling.tick, second)
    await gate.until_waiting(2)

    assert await scheduling.in_thread(scheduling.records, job) == [
        (1, 0, "running"),
        (2, 0, "running"),
        (3, 0, "pending"),
    ]

    await scheduling.in_thread(set_settings, "cron", max_concurrent_runs=3)
    await scheduling.in_thread(scheduling.tick, 3)
    await gate.until_waiting(3)

    assert {status for _, _, status in await scheduling.in_thread(scheduling.records, job)} == {
        "running"
    }


async def test_one_hanging_job_does_not_stop_the_others(
    harness: Harness, scheduling: Scheduling, gate: Gate
):
    await scheduling.in_thread(scheduling.make_job, WAITING_PROMPT, name="hangs")
    other = await scheduling.in_thread(scheduling.make_job, name="goes on")

    await scheduling.in_thread(scheduling.tick, 1)

    record = await scheduling.in_thread(other.runs.get)
    done = await scheduling.until(record, "success")
    assert done.result_summary == "You said: hello"


async def test_a_run_that_waits_for_a_person_holds_no_slot(
    harness: Harness, scheduling: Scheduling
):
    await scheduling.in_thread(set_settings, "cron", max_concurrent_runs=1)
    asks = '!tool ask_human {"prompt": "Which colour?"}\n!turn\n!say Thank you.'
    job = await scheduling.in_thread(scheduling.make_job, asks, name="asks")
    other = await scheduling.in_thread(scheduling.make_job, name="other")
    await scheduling.in_thread(scheduling.tick, 1)
    record = await scheduling.in_thread(job.runs.get)
    await harness.until_asked(record.run_id, "Which colour?")

    await scheduling.in_thread(scheduling.tick, 1)

    await scheduling.until(await scheduling.in_thread(other.runs.get), "success")
    record = await scheduling.in_thread(job.runs.get)
    assert (record.status, record.result_summary) == (
        "running",
        "Waits for an answer: Which colour?",
    )


async def test_of_one_second_jobs_begin_in_the_order_in_which_they_were_made(
    harness: Harness, scheduling: Scheduling, gate: Gate
):
    await scheduling.in_thread(set_settings, "cron", max_concurrent_runs=1)
    for age, name in enumerate("abcd"):
        job = await scheduling.in_thread(scheduling.make_job, WAITING_PROMPT, name=name)
        made = CronJob.objects.filter(pk=job.pk)
        await scheduling.in_thread(made.update, created_at=scheduling.began - age)

    began: list[str] = []
    for _ in range(4):
        await scheduling.in_thread(scheduling.tick, 1)
        await gate.until_waiting(1)
        running = CronRun.objects.select_related("job")
        record = await scheduling.in_thread(running.get, status="running")
        began.append(record.job.name)
        gate.open()
        await scheduling.until(record, "success")

    assert began == ["d", "c", "b", "a"]
