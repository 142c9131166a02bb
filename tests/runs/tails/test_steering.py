"""Cancelling over HTTP; pausing, answering and injecting from a second process on the same data."""

from tests.e2e.driving import Driver, Steering
from tests.runs.tails.reading import CALL, FAILED_CALL, TURN, ended

ASK = '!tool ask_human {"prompt": "Ship it?"}\n!turn\n!say thank you'


def cancel(driver: Driver, run_id: str) -> None:
    reply = driver.cancel(run_id)
    assert reply.status_code == 202, reply.text


def until_waiting(driver: Driver, run_id: str, count: int = 1) -> None:
    driver.until_event(run_id, "InputRequested", count)


def test_cancelling_in_mid_stream_keeps_what_was_written(driver: Driver):
    run_id = driver.start("!say one\n!sleep 60\n!say two")
    driver.until_event(run_id, "TurnStarted")

    cancel(driver, run_id)

    run = ended(driver, run_id)
    assert run.tail == ["TurnStarted", "RunCancelled"]
    assert run.last["reason"] == "context_canceled"
    assert driver.cancel(run_id).status_code == 409


def test_cancelling_during_a_tool_gives_the_call_an_outcome(driver: Driver):
    before = driver.traces("upsert").total()
    run_id = driver.start('!tool upsert {"seconds": 60}')
    driver.until_traced("upsert", before + 1)

    cancel(driver, run_id)

    run = ended(driver, run_id)
    failed = run.only("ToolCallFailed")
    assert run.tail == [*TURN, *FAILED_CALL, "RunCancelled"]
    assert (failed["error_type"], failed["final"]) == ("cancelled", True)


def test_cancelling_a_tool_that_cannot_be_interrupted_ends_the_run_all_the_same(driver: Driver):
    before = driver.traces("blocks").total()
    run_id = driver.start('!tool blocks {"seconds": 5}')
    driver.until_traced("blocks", before + 1)

    cancel(driver, run_id)

    assert ended(driver, run_id).tail == [*TURN, *FAILED_CALL, "RunCancelled"]


def test_cancelling_parallel_calls_gives_each_exactly_one_outcome(driver: Driver):
    run_id = driver.start('!tool price {"article": "a"}\n' + '!tool upsert {"seconds": 60}\n' * 2)
    driver.until_event(run_id, "ToolCallCompleted")

    cancel(driver, run_id)

    run = ended(driver, run_id)
    outcomes = run.all("ToolCallCompleted") + run.all("ToolCallFailed")
    assert len(run.all("ToolCallFailed")) == 2
    assert len({outcome["call_id"] for outcome in outcomes}) == len(outcomes) == 3


def test_cancelling_a_waiting_run_ends_it(driver: Driver):
    run_id = driver.start(ASK)
    until_waiting(driver, run_id)

    cancel(driver, run_id)

    assert ended(driver, run_id).tail == [
        *TURN, "ToolCallScheduled", "InputRequested", "ToolCallFailed", "RunCancelled"
    ]  # fmt: skip


def test_cancelling_a_queued_run_leaves_its_record(driver: Driver):
    blockers = occupy_all_workers(driver)
    run_id = driver.start("never begun")

    cancel(driver, run_id)

    run = ended(driver, run_id)
    for blocker in blockers:
        cancel(driver, blocker)
    assert run.tail == ["RunCancelled"]
    assert run.last["reason"] == "context_canceled"


def occupy_all_workers(driver: Driver) -> list[str]:
    blockers = [driver.start("!sleep 60") for _ in range(4)]  # as many as there are by default
    for blocker in blockers:
        driver.until_event(blocker, "TurnStarted")
    return blockers


def test_waiting_for_a_human_holds_no_worker(driver: Driver, steer: Steering):
    waiting = [driver.start(ASK) for _ in range(5)]  # more than there are workers
    for run_id in waiting:
        until_waiting(driver, run_id)

    assert ended(driver, driver.start("!say meanwhile")).tail == [*TURN, "RunCompleted"]

    for run_id in waiting:
        assert steer("respond", run_id, response="yes") == {"status": "pending"}
        run = ended(driver, run_id)
        assert run.tail == [
            *TURN, "ToolCallScheduled", "InputRequested", "InputReceived", "ToolCallCompleted",
            *TURN, "RunCompleted",
        ]  # fmt: skip
        assert run.only("ToolCallCompleted")["result"] == {"response": "yes"}
        assert run.only("InputReceived")["actor"] == "daemon"


def test_a_run_that_waits_for_nothing_cannot_be_answered(driver: Driver, steer: Steering):
    run = ended(driver, driver.start("hello"))

    assert steer("respond", run.run_id, response="yes") == {"refused": "RunNotWaiting"}


def test_a_call_made_beside_a_question_is_not_made_again_after_the_answer(
    driver: Driver, steer: Steering
):
    run_id = driver.start('!tool transfer {}\n!tool ask_human {"prompt": "?"}\n!turn\n!say ok')
    until_waiting(driver, run_id)

    steer("respond", run_id, response=1)

    run = ended(driver, run_id)
    transfer = next(c for c in run.all("ToolCallScheduled") if c["tool"] == "transfer")
    assert driver.traces("transfer")[f"{run_id}:{transfer['call_id']}"] == 1
    assert run.last["final_text"] == "ok"


def test_a_paused_run_goes_on_where_it_was(driver: Driver, steer: Steering):
    run_id = driver.start('!sleep 1\n!tool price {"article": "tea"}\n!turn\n!say ten')
    driver.until_event(run_id, "TurnStarted")

    assert steer("pause_run", run_id, actor="olga") == {"status": "running"}
    driver.until_event(run_id, "RunPaused")
    assert steer("resume_run", run_id, actor="olga") == {"status": "pending"}

    # Paused before the call was scheduled: nobody need wonder whether it had begun.
    run = ended(driver, run_id)
    assert run.tail == [*TURN, "RunPaused", "RunUnpaused", *CALL, *TURN, "RunCompleted"]


def test_a_message_injected_while_a_tool_runs_comes_after_its_result(
    driver: Driver, steer: Steering
):
    before = driver.traces("upsert").total()
    # Much longer than the engine takes to hear of what another process put into a mailbox.
    run_id = driver.start('!tool upsert {"seconds": 5}\n!turn\n!say not this')
    driver.until_traced("upsert", before + 1)

    steer("inject_message", run_id, content="rather this")

    run = ended(driver, run_id)
    assert run.tail == [*TURN, *CALL, "UserMessageAppended", *TURN, "RunCompleted"]
    assert run.last["final_text"] == "You said: rather this"


def test_a_message_injected_into_a_queued_run_is_not_lost(driver: Driver, steer: Steering):
    blockers = occupy_all_workers(driver)
    run_id = driver.start("first")
    steer("inject_message", run_id, content="second")

    for blocker in blockers:
        cancel(driver, blocker)

    # The worker learns of the message when the run would complete, and keeps the answer.
    run = ended(driver, run_id)
    assert run.tail == [*TURN, "UserMessageAppended", *TURN, "RunCompleted"]
    assert run.last["final_text"] == "You said: second"
