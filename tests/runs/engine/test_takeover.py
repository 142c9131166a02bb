"""What a new worker does with a run whose worker died."""

import asyncio
from typing import Any

import pytest

from project.lib.pool import in_database_thread
from runs.engine.programs import MAX_LOST_WORKERS
from runs.errors import LeaseLost
from runs.event_types import UserMessageAppended
from runs.log.append import RunTail
from runs.models import Run
from runs.services import queue
from runs.tools.base import Tool, ToolContext

pytestmark = pytest.mark.django_db(transaction=True)

OBJECT = {"type": "object", "properties": {}, "additionalProperties": False}


class Counting:
    """A tool that counts its executions and blocks the first one for ever."""

    def __init__(self, name: str, *, idempotent: bool) -> None:
        self.keys: list[str] = []
        self.tool = Tool(
            name, "counts", OBJECT, self._execute, namespace="tests",
            idempotent=idempotent, side_effects="external",
        )  # fmt: skip

    async def _execute(self, arguments: dict[str, Any], context: ToolContext) -> Any:
        self.keys.append(context.idempotency_key)
        if len(self.keys) == 1:
            await asyncio.Event().wait()
        return {"executions": len(self.keys)}


async def until_called(counting: Counting) -> None:
    while not counting.keys:
        await asyncio.sleep(0.01)


async def test_an_idempotent_call_is_issued_again_under_its_key(harness, register_tool):
    counting = Counting("again", idempotent=True)
    register_tool(counting.tool)
    run_id = await harness.submit("!tool again {}\n!turn\n!say done")
    await until_called(counting)
    await harness.crash()

    await harness.start_engine()
    run = await harness.until(run_id, lambda run: run.is_finished)

    assert run.status == "done"
    assert counting.keys == [counting.keys[0]] * 2
    assert await harness.kinds(run_id) == [
        "RunStarted",
        "TurnStarted",
        "AssistantMessageCompleted",
        "ToolCallScheduled",
        "RunResumed",
        "ToolCallScheduled",
        "ToolCallCompleted",
        "TurnStarted",
        "AssistantMessageCompleted",
        "RunCompleted",
    ]
    first, second = [
        event.data
        for event in await harness.events(run_id)
        if event.kind_name == "ToolCallScheduled"
    ]
    assert (first["call_id"], first["attempt"]) == (second["call_id"], 1)
    assert second["attempt"] == 2
    assert (await harness.validate(run_id)).is_valid


async def test_a_call_that_must_not_run_twice_is_reported_as_interrupted(harness, register_tool):
    counting = Counting("once", idempotent=False)
    register_tool(counting.tool)
    run_id = await harness.submit("!tool once {}\n!turn\n!say I do not know")
    await until_called(counting)
    await harness.crash()

    await harness.start_engine()
    run = await harness.until(run_id, lambda run: run.is_finished)

    failed = next(
        event for event in await harness.events(run_id) if event.kind_name == "ToolCallFailed"
    )
    assert run.final_text == "I do not know"
    assert len(counting.keys) == 1
    assert failed.data["error_type"] == "interrupted"
    assert (await harness.validate(run_id)).is_valid


async def test_a_model_call_is_made_again_under_its_turn(harness):
    run_id = await harness.submit("!sleep 30\n!say never\n")
    await harness.until_event(run_id, "TurnStarted")
    await harness.crash()
    await harness.start_engine()
    await harness.until_event(run_id, "RunResumed")
    events = await harness.until(run_id, lambda run: run.turn_count == 2)

    turns = [
        event.data["turn_id"]
        for event in await harness.events(run_id)
        if event.kind_name == "TurnStarted"
    ]

    assert events.status == "running"
    assert len(turns) == 2
    assert len(set(turns)) == 1


async def test_recorded_events_never_change_over_a_takeover(harness, register_tool):
    counting = Counting("again", idempotent=True)
    register_tool(counting.tool)
    run_id = await harness.submit('!tool again {}\n!tool calculate {"expression": "1+1"}')
    await until_called(counting)
    await harness.until(run_id, lambda run: run.head_seq >= 6)
    await harness.crash()
    before = await harness.events(run_id)

    await harness.start_engine()
    await harness.until(run_id, lambda run: run.is_finished)

    after = await harness.events(run_id)
    assert [(event.seq, event.hash, event.payload) for event in after[: len(before)]] == [
        (event.seq, event.hash, event.payload) for event in before
    ]
    outcomes = [event.data["call_id"] for event in after if event.kind_name == "ToolCallCompleted"]
    assert len(outcomes) == len(set(outcomes)) == 2


async def test_a_resumed_run_replays_clean(harness, register_tool):
    counting = Counting("again", idempotent=True)
    register_tool(counting.tool)
    run_id = await harness.submit("!tool again {}\n!turn\n!say done")
    await until_called(counting)
    await harness.crash()
    await harness.start_engine()
    await harness.until(run_id, lambda run: run.is_finished)

    report = await harness.replay(run_id)

    assert report.divergence is None
    assert report.compared >= 6


async def test_an_expired_lease_is_claimable_and_its_holder_can_write_no_more(harness):
    run_id = await harness.submit("!sleep 30\n!say late")
    await harness.until_event(run_id, "TurnStarted")
    stale = await in_database_thread(lambda: RunTail.load(Run.objects.get(pk=run_id)))
    engine = harness.engines[0]
    await in_database_thread(
        lambda: Run.objects.filter(pk=run_id).update(lease_expires_at="2000-01-01T00:00:00Z")
    )

    freed = await in_database_thread(queue.sweep_expired)
    stale.add(UserMessageAppended("from a ghost"))

    assert freed == 1
    with pytest.raises(LeaseLost):
        await engine.writer.append(stale.stage())


async def test_a_run_that_kills_every_worker_is_given_up(harness):
    run_id = await harness.submit("!sleep 30\n!say never")
    await harness.until_event(run_id, "TurnStarted")
    for lost in range(1, MAX_LOST_WORKERS + 1):
        await harness.crash()
        await harness.start_engine()
        await harness.until(run_id, lambda run, turns=lost + 1: run.turn_count == turns)
    await harness.crash()

    await harness.start_engine()
    run = await harness.until(run_id, lambda run: run.is_finished)

    assert (run.status, run.error_type) == ("error", "internal")
    assert run.error == "10 workers in a row stopped at the same step"
    assert (await harness.kinds(run_id)).count("RunResumed") == MAX_LOST_WORKERS
    assert (await harness.validate(run_id)).is_valid
    assert (await harness.replay(run_id)).divergence is None


async def test_draining_gives_runs_back_and_another_engine_continues_them(harness):
    run_id = await harness.submit("!sleep 0.2\n!say first\n!tool now {}\n!turn\n!say second")
    await harness.until_event(run_id, "TurnStarted")
    await harness.engines.pop().drain(5.0)
    given_back = await harness.get(run_id)

    await harness.start_engine(owner="another")
    run = await harness.until(run_id, lambda run: run.is_finished)

    assert given_back.status == "pending"
    assert given_back.lease_token == ""
    assert run.final_text == "second"
    assert (await harness.validate(run_id)).is_valid


async def test_priority_comes_before_age(harness):
    await harness.stop()
    low = await harness.submit("low", priority=-5)
    high = await harness.submit("high", priority=5)
    normal = await harness.submit("normal")

    claimed = [
        (await in_database_thread(queue.claim_runs, owner="me", limit=1))[0].id for _ in range(3)
    ]

    assert claimed == [high, normal, low]
