"""Cancel, pause, resume, respond and inject, while the engine runs."""

import asyncio

import pytest

from accounts.principals import DAEMON
from project.lib.pool import in_database_thread
from runs.errors import (
    InvalidInput,
    RunAlreadyFinished,
    RunNotFound,
    RunNotPausable,
    RunNotPaused,
    RunNotWaiting,
)
from runs.services import lifecycle
from runs.streams import follow

pytestmark = pytest.mark.django_db(transaction=True)


async def call(fn, **arguments):
    return await in_database_thread(fn, **arguments)


async def test_cancelling_in_mid_stream_ends_the_run_at_once(harness):
    run_id = await harness.submit("!say one\n!sleep 60\n!say two")
    await harness.until_event(run_id, "TurnStarted")

    run = await call(lifecycle.cancel_run, run_id=run_id, actor="olga")

    assert run.status == "cancelled"
    assert run.cancel_reason == "context_canceled"
    assert (await harness.kinds(run_id))[-1] == "RunCancelled"
    assert (await harness.validate(run_id)).is_valid
    while harness.engines[0]._executions:  # the worker lets go of its model call
        await asyncio.sleep(0.01)


async def test_cancelling_during_a_tool_records_what_became_of_the_call(harness, register_tool):
    from tests.runs.engine.test_takeover import Counting, until_called

    counting = Counting("stuck", idempotent=True)
    register_tool(counting.tool)
    run_id = await harness.submit("!tool stuck {}")
    await until_called(counting)

    await call(lifecycle.cancel_run, run_id=run_id, actor="olga")

    events = await harness.events(run_id)
    assert [event.kind_name for event in events[-3:]] == [
        "ToolCallScheduled",
        "ToolCallFailed",
        "RunCancelled",
    ]
    assert events[-2].data["error_type"] == "cancelled"
    assert (await harness.validate(run_id)).is_valid


async def test_a_cancelled_queued_run_keeps_its_record(harness):
    await harness.stop()
    run_id = await harness.submit("never mind")

    await call(lifecycle.cancel_run, run_id=run_id, actor="olga")

    assert await harness.kinds(run_id) == ["RunStarted", "RunCancelled"]
    assert (await harness.validate(run_id)).is_valid


async def test_an_ended_run_cannot_be_cancelled_and_its_log_stays(harness):
    run = await harness.run("hello")

    with pytest.raises(RunAlreadyFinished):
        await call(lifecycle.cancel_run, run_id=run.id, actor="olga")

    assert (await harness.kinds(run.id))[-1] == "RunCompleted"


async def test_an_unknown_run_cannot_be_cancelled(harness):
    with pytest.raises(RunNotFound):
        await call(lifecycle.cancel_run, run_id="01NOSUCHRUN", actor="olga")


async def test_of_many_cancels_exactly_one_wins(harness):
    run_id = await harness.submit("!sleep 60")
    await harness.until_event(run_id, "TurnStarted")

    outcomes = await asyncio.gather(
        *(call(lifecycle.cancel_run, run_id=run_id, actor="olga") for _ in range(8)),
        return_exceptions=True,
    )

    assert sum(not isinstance(item, Exception) for item in outcomes) == 1
    assert (await harness.kinds(run_id)).count("RunCancelled") == 1


async def test_a_paused_run_holds_no_worker_and_goes_on_when_resumed(harness):
    run_id = await harness.submit("!sleep 0.3\n!tool now {}\n!turn\n!say after the pause")
    await harness.until_event(run_id, "TurnStarted")
    await call(lifecycle.pause_run, run_id=run_id, actor="owner")
    paused = await harness.until(run_id, lambda run: run.status == "paused")

    await call(lifecycle.resume_run, run_id=run_id, actor="owner")
    run = await harness.until(run_id, lambda run: run.is_finished)

    assert paused.lease_token == ""
    assert run.final_text == "after the pause"
    kinds = await harness.kinds(run_id)
    assert kinds.index("RunPaused") + 1 == kinds.index("RunUnpaused")
    assert "RunResumed" not in kinds  # nothing was in flight, so there is no seam
    assert (await harness.validate(run_id)).is_valid
    assert (await harness.replay(run_id)).is_clean


async def test_only_a_running_run_can_be_paused_and_only_a_paused_one_resumed(harness):
    run = await harness.run("hello")

    with pytest.raises(RunAlreadyFinished):
        await call(lifecycle.pause_run, run_id=run.id, actor="owner")
    with pytest.raises(RunNotPaused):
        await call(lifecycle.resume_run, run_id=run.id, actor="owner")

    await harness.stop()
    queued = await harness.submit("hello")
    with pytest.raises(RunNotPausable):
        await call(lifecycle.pause_run, run_id=queued, actor="owner")


ASK = '!tool ask_human {"prompt": "Ship it?"}\n!turn\n!say thank you'


async def test_a_run_that_asks_a_human_holds_no_worker_until_it_is_answered(harness):
    run_id = await harness.submit(ASK)
    waiting = await harness.until(run_id, lambda run: run.status == "awaiting-input")

    await call(lifecycle.respond, run_id=run_id, response="yes", caller=DAEMON)
    run = await harness.until(run_id, lambda run: run.is_finished)

    events = await harness.events(run_id)
    completed = next(event for event in events if event.kind_name == "ToolCallCompleted")
    assert waiting.lease_token == ""
    assert run.final_text == "thank you"
    assert completed.data["result"] == {"response": "yes"}
    assert "RunResumed" not in [event.kind_name for event in events]
    assert (await harness.validate(run_id)).is_valid
    assert (await harness.replay(run_id)).is_clean


async def test_of_many_answers_exactly_one_is_accepted(harness):
    run_id = await harness.submit(ASK)
    await harness.until(run_id, lambda run: run.status == "awaiting-input")

    outcomes = await asyncio.gather(
        *(call(lifecycle.respond, run_id=run_id, response=n, caller=DAEMON) for n in range(8)),
        return_exceptions=True,
    )

    refusals = [item for item in outcomes if isinstance(item, RunNotWaiting)]
    assert len(refusals) == 7
    assert (await harness.kinds(run_id)).count("InputReceived") == 1


async def test_an_answer_must_fit_the_schema_that_was_asked_for(harness):
    run_id = await harness.submit(
        '!tool ask_human {"prompt": "Which?", "choices": ["red", "blue"]}\n!turn\n!say ok'
    )
    await harness.until(run_id, lambda run: run.status == "awaiting-input")

    with pytest.raises(InvalidInput):
        await call(lifecycle.respond, run_id=run_id, response="green", caller=DAEMON)

    assert (await harness.get(run_id)).status == "awaiting-input"


async def test_two_questions_of_one_turn_are_asked_one_after_the_other(harness):
    run_id = await harness.submit(
        '!tool ask_human {"prompt": "First?"}\n!tool ask_human {"prompt": "Second?"}\n'
        "!turn\n!say both answered"
    )
    prompts = []
    for answer in ("one", "two"):
        await harness.until(run_id, lambda run: run.status == "awaiting-input")
        events = await harness.events(run_id)
        prompts.append(events[-1].data["prompt"])
        await call(lifecycle.respond, run_id=run_id, response=answer, caller=DAEMON)
    run = await harness.until(run_id, lambda run: run.is_finished)

    assert prompts == ["First?", "Second?"]
    assert run.final_text == "both answered"
    assert (await harness.replay(run_id)).is_clean


async def test_a_waiting_run_can_be_cancelled(harness):
    run_id = await harness.submit(ASK)
    await harness.until(run_id, lambda run: run.status == "awaiting-input")

    run = await call(lifecycle.cancel_run, run_id=run_id, actor="olga")

    assert run.status == "cancelled"
    assert (await harness.validate(run_id)).is_valid


async def test_an_injected_message_starts_another_turn_instead_of_being_lost(harness):
    run_id = await harness.submit("!sleep 0.3\n!say first answer")
    await harness.until_event(run_id, "TurnStarted")

    await call(lifecycle.inject_message, run_id=run_id, content="and now this")
    run = await harness.until(run_id, lambda run: run.is_finished)

    assert run.final_text == "You said: and now this"
    kinds = await harness.kinds(run_id)
    assert kinds.count("AssistantMessageCompleted") == 2
    assert kinds.count("UserMessageAppended") == 1
    assert (await harness.replay(run_id)).is_clean


async def test_a_stream_opened_before_the_start_sees_every_event_once_and_in_order(harness):
    await harness.stop()
    run_id = await harness.submit('!tool calculate {"expression": "1+1"}\n!turn\n!say ok')
    seen = []

    async def watch() -> None:
        async for item in follow(run_id):
            if hasattr(item, "seq"):
                seen.append(item.seq)

    watcher = asyncio.create_task(watch())
    await harness.start_engine()
    await watcher

    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) == (await harness.get(run_id)).head_seq
