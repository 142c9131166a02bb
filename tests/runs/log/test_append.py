"""What the append promises, through its two ways in."""

import asyncio
import threading

import pytest
from django.db import connection

from project.lib.pool import in_database_thread
from runs.errors import LeaseLost, RunAlreadyFinished
from runs.event_types import RunStarted, UserMessageAppended
from runs.log.append import RunTail, append_locked, commit_tail, take_tail
from runs.log.read import read_events
from runs.log.validate import validate_run
from runs.log.writer import GroupCommitWriter
from runs.models import Event, Run

pytestmark = pytest.mark.django_db(transaction=True)

STARTED = RunStarted(1, "goal", "scripted", "scripted", "v0")


def make_run(**fields):
    return Run.objects.create(goal="goal", status="running", lease_token="mine", **fields)


def tail_of(run):
    return RunTail.load(run, lease_token="mine")


@pytest.fixture
def writer():
    writer = GroupCommitWriter()
    writer.start()
    yield writer
    writer.close()


def append(writer, *staged):
    """Submit all at once, so that they share a commit; returns each outcome."""

    async def submit():
        return await asyncio.gather(
            *(writer.append(item) for item in staged), return_exceptions=True
        )

    return asyncio.run(submit())


def test_seq_is_gapless_and_each_event_names_its_predecessor(writer):
    run = make_run()
    tail = tail_of(run)
    tail.add(STARTED)
    append(writer, tail.stage())
    tail.add(UserMessageAppended("one"))
    tail.add(UserMessageAppended("two"))

    append(writer, tail.stage())

    events = read_events(run.id)
    assert [event.seq for event in events] == [1, 2, 3]
    assert [event.prev_hash for event in events] == [None, events[0].hash, events[1].hash]
    assert validate_run(run.id).status == "in_progress"


def test_the_row_changes_in_the_same_commit_as_the_log(writer):
    run = make_run()
    tail = tail_of(run)
    tail.add(STARTED)
    tail.add_completed("all done")

    append(writer, tail.stage())

    run.refresh_from_db()
    assert run.status == "done"
    assert run.final_text == "all done"
    assert run.head_seq == 2
    assert run.lease_token == ""
    assert bytes(run.merkle_root) == tail.projection.merkle_root
    assert validate_run(run.id).is_valid


def test_nothing_is_appended_after_the_terminal_event(writer):
    run = make_run()
    tail = tail_of(run)
    tail.add(STARTED)
    tail.add_completed("done")
    append(writer, tail.stage())

    with pytest.raises(RunAlreadyFinished):
        tail.add(UserMessageAppended("too late"))


def test_a_stale_worker_cannot_append_after_the_end_either(writer):
    run = make_run()
    tail = tail_of(run)
    tail.add(STARTED)
    append(writer, tail.stage())
    stale = tail_of(Run.objects.get(pk=run.id))
    tail.add_completed("done")
    append(writer, tail.stage())
    stale.add(UserMessageAppended("too late"))

    [outcome] = append(writer, stale.stage())

    assert isinstance(outcome, LeaseLost)
    assert Event.objects.filter(run=run).count() == 2


def test_a_failing_append_does_not_take_its_neighbours_down(writer):
    healthy = [make_run() for _ in range(5)]
    fenced = make_run()
    tails = [tail_of(run) for run in (*healthy, fenced)]
    for tail in tails:
        tail.add(STARTED)
    Run.objects.filter(pk=fenced.pk).update(lease_token="somebody else")

    outcomes = append(writer, *(tail.stage() for tail in tails))

    assert isinstance(outcomes[-1], LeaseLost)
    assert not any(isinstance(outcome, Exception) for outcome in outcomes[:-1])
    assert Event.objects.count() == 5
    assert not Event.objects.filter(run=fenced).exists()


def test_two_appends_of_one_run_in_one_batch_keep_their_order(writer):
    run = make_run()
    tail = tail_of(run)
    tail.add(STARTED)
    first = tail.stage()
    tail.add(UserMessageAppended("second"))
    second = tail.stage()

    outcomes = append(writer, first, second)

    assert not any(isinstance(outcome, Exception) for outcome in outcomes)
    assert [event.seq for event in read_events(run.id)] == [1, 2]


def test_of_two_racing_appenders_exactly_one_wins(writer):
    run = make_run()
    tails = [tail_of(run) for _ in range(4)]
    for tail in tails:
        tail.add(STARTED)

    outcomes = append(writer, *(tail.stage() for tail in tails))

    assert sum(isinstance(outcome, LeaseLost) for outcome in outcomes) == 3
    assert Event.objects.filter(run=run).count() == 1


def test_a_service_append_fences_off_the_lease_holder(writer):
    from project.lib.db import write_transaction

    run = make_run()
    holder = tail_of(run)
    holder.add(STARTED)
    append(writer, holder.stage())
    with write_transaction():
        locked = Run.objects.select_for_update().get(pk=run.id)
        append_locked(locked, [UserMessageAppended("from a service")])
    holder.add(UserMessageAppended("from the worker"))

    [outcome] = append(writer, holder.stage())

    assert isinstance(outcome, LeaseLost)
    assert [event.data.get("content") for event in read_events(run.id, after=1)] == [
        "from a service"
    ]


def test_a_rolled_back_service_append_leaves_no_trace():
    from project.lib.db import write_transaction

    run = make_run()
    with pytest.raises(ZeroDivisionError), write_transaction():
        tail = take_tail(Run.objects.select_for_update().get(pk=run.id))
        tail.add(STARTED)
        commit_tail(tail)
        raise ZeroDivisionError

    run.refresh_from_db()
    assert run.head_seq == 0
    assert not Event.objects.exists()


def test_many_threads_appending_to_their_own_runs_lose_nothing(writer):
    runs = [make_run() for _ in range(8)]

    def work(run):
        tail = tail_of(run)
        tail.add(STARTED)
        append(writer, tail.stage())
        for number in range(25):
            tail.add(UserMessageAppended(str(number)))
            append(writer, tail.stage())
        connection.close()

    threads = [threading.Thread(target=work, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert Event.objects.count() == 8 * 26
    assert {validate_run(run.id).status for run in runs} == {"in_progress"}


def test_a_payload_above_the_limit_lies_outside_and_reads_back_whole(writer):
    run = make_run()
    tail = tail_of(run)
    tail.add(STARTED)
    tail.add(UserMessageAppended("y" * 100_000))
    append(writer, tail.stage())

    stored = Event.objects.get(run=run, seq=2)

    assert stored.payload is None
    assert read_events(run.id)[1].data["content"] == "y" * 100_000
    assert validate_run(run.id).status == "in_progress"


async def test_a_cancelled_waiter_does_not_unwrite_its_append(transactional_db, writer):
    run = await in_database_thread(make_run)
    tail = await in_database_thread(tail_of, run)
    tail.add(STARTED)
    task = asyncio.create_task(writer.append(tail.stage()))
    await asyncio.sleep(0)

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await asyncio.to_thread(writer.close)

    events = await in_database_thread(read_events, run.id)
    assert [event.kind_name for event in events] == ["RunStarted"]
