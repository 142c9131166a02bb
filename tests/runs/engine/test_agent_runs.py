"""What an agent run does, from its goal to its last event."""

import asyncio
from typing import Any

import pytest

from runs.tools.base import Tool, ToolContext, ToolError

pytestmark = pytest.mark.django_db(transaction=True)

OBJECT = {"type": "object", "properties": {"x": {}}, "additionalProperties": False}


def make_tool(name: str, execute: Any, **options: Any) -> Tool:
    return Tool(name, f"test tool {name}", OBJECT, execute, namespace="tests", **options)


async def test_a_goal_becomes_an_answer(harness):
    run = await harness.run("hello world")

    assert run.status == "done"
    assert run.final_text == "You said: hello world"
    assert await harness.kinds(run.id) == [
        "RunStarted",
        "TurnStarted",
        "AssistantMessageCompleted",
        "RunCompleted",
    ]


async def test_totals_of_the_row_are_those_of_the_log(harness):
    run = await harness.run('!usage 100 20\n!tool calculate {"expression": "1+1"}\n!turn\n!say ok')

    assistants = [
        event.data
        for event in await harness.events(run.id)
        if event.kind_name == "AssistantMessageCompleted"
    ]
    assert run.turn_count == 2
    assert run.tool_call_count == 1
    assert run.input_tokens == sum(item["input_tokens"] for item in assistants) > 100
    assert run.output_tokens == sum(item["output_tokens"] for item in assistants)
    assert run.cost_usd == sum(item["cost_usd"] for item in assistants) > 0


async def test_parallel_calls_are_scheduled_together_and_answered_in_plan_order(
    harness, register_tool
):
    release = asyncio.Event()

    async def slow(arguments: dict[str, Any], context: ToolContext) -> Any:
        await release.wait()
        return {"which": "slow"}

    async def fast(arguments: dict[str, Any], context: ToolContext) -> Any:
        asyncio.get_running_loop().call_later(0.05, release.set)
        return {"which": "fast"}

    register_tool(make_tool("slow", slow))
    register_tool(make_tool("fast", fast))

    run = await harness.run("!tool slow {}\n!tool fast {}\n!turn\n!say both")

    events = await harness.events(run.id)
    assert [event.kind_name for event in events[3:7]] == [
        "ToolCallScheduled",
        "ToolCallScheduled",
        "ToolCallCompleted",
        "ToolCallCompleted",
    ]
    assert [event.data["result"]["which"] for event in events[5:7]] == ["fast", "slow"]
    assert run.final_text == "both"


async def test_twelve_parallel_calls_all_get_their_outcome(harness):
    calls = "\n".join(f'!tool calculate {{"expression": "{n}+1"}}' for n in range(12))

    run = await harness.run(f"{calls}\n!turn\n!say done")

    results = [
        event.data["result"]["result"]
        for event in await harness.events(run.id)
        if event.kind_name == "ToolCallCompleted"
    ]
    assert sorted(results) == list(range(1, 13))
    assert (await harness.validate(run.id)).is_valid


async def test_a_failing_tool_is_reported_to_the_model_by_default(harness, register_tool):
    async def broken(arguments: dict[str, Any], context: ToolContext) -> Any:
        raise ToolError("no such city")

    register_tool(make_tool("broken", broken))

    run = await harness.run("!tool broken {}\n!turn\n!say I could not find it")

    assert run.status == "done"
    failed = (await harness.events(run.id))[4]
    assert failed.kind_name == "ToolCallFailed"
    assert failed.data["error"] == "no such city"
    assert failed.data["error_type"] == "tool"
    assert failed.data["final"] is True


async def test_a_tool_that_raises_is_a_panic_whose_text_stays_out_of_the_log(
    harness, register_tool
):
    async def raises(arguments: dict[str, Any], context: ToolContext) -> Any:
        raise RuntimeError("password=hunter2")

    register_tool(make_tool("raises", raises))

    run = await harness.run("!tool raises {}\n!turn\n!say hm")

    failed = (await harness.events(run.id))[4]
    assert failed.data["error_type"] == "panic"
    assert "hunter2" not in failed.data["error"]


async def test_a_tool_that_overruns_its_time_fails_without_ending_the_run(harness, register_tool):
    async def sleeps(arguments: dict[str, Any], context: ToolContext) -> Any:
        await asyncio.sleep(60)

    register_tool(make_tool("sleeps", sleeps, timeout_seconds=0.05))

    run = await harness.run("!tool sleeps {}\n!turn\n!say too slow")

    assert run.status == "done"
    assert (await harness.events(run.id))[4].data["error_type"] == "timeout"


async def test_a_tools_own_timeout_is_not_mistaken_for_the_runs(harness, register_tool):
    async def inner(arguments: dict[str, Any], context: ToolContext) -> Any:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(60)

    register_tool(make_tool("inner", inner))
    harness.add_graph(
        "patient", tools=["inner"], budget={"max_wall_clock_ms": 3_600_000}, max_turns=4
    )

    run = await harness.run("!tool inner {}\n!turn\n!say went on", graph_id="patient")

    assert run.status == "done"
    assert (await harness.events(run.id))[4].data["error_type"] == "panic"


async def test_bad_arguments_reach_the_model_as_an_error_and_not_the_tool(harness):
    run = await harness.run('!tool calculate {"nonsense": 1}\n!turn\n!say sorry')

    failed = (await harness.events(run.id))[4]
    assert failed.kind_name == "ToolCallFailed"
    assert "expression" in failed.data["error"]


async def test_a_result_that_no_log_can_hold_is_a_failed_call(harness, register_tool):
    async def endless(arguments: dict[str, Any], context: ToolContext) -> Any:
        deep: Any = 1
        for _ in range(40):
            deep = [deep]
        return deep

    register_tool(make_tool("endless", endless))

    run = await harness.run("!tool endless {}\n!turn\n!say hm")

    assert (await harness.events(run.id))[4].kind_name == "ToolCallFailed"
    assert (await harness.validate(run.id)).is_valid


async def test_a_large_result_is_kept_outside_and_read_back_whole(harness, register_tool):
    async def big(arguments: dict[str, Any], context: ToolContext) -> Any:
        return {"text": "x" * 300_000}

    register_tool(make_tool("big", big))

    run = await harness.run("!tool big {}\n!turn\n!say read it")

    completed = (await harness.events(run.id))[4]
    assert len(completed.data["result"]["text"]) == 300_000
    assert (await harness.validate(run.id)).is_valid


async def test_a_known_secret_never_enters_the_log(harness):
    secret = "sp_live_" + "ab12" * 10

    run = await harness.run(f"my key is {secret}")

    whole = b"".join(event.payload or b"" for event in await harness.events(run.id))
    assert secret.encode() not in whole
    assert b"[redacted]" in whole
    assert secret not in run.final_text
    assert (await harness.validate(run.id)).is_valid


async def test_rate_limits_are_retried_and_then_end_the_run(harness):
    run = await harness.run("!fail rate_limit")

    assert run.status == "failed"
    assert run.error_type == "provider"
    assert await harness.kinds(run.id) == ["RunStarted", "TurnStarted", "RunFailed"]


async def test_old_messages_go_when_the_history_outgrows_its_room(harness, settings):
    settings.STARPORT_CONTEXT_TOKENS = 1_500
    turns = "\n".join(
        f'!say {"word " * 400}{n}\n!tool calculate {{"expression": "{n}+1"}}\n!turn'
        for n in range(6)
    )

    # The script is read off the history, so a shortened one plays its turns again until max_turns.
    harness.add_graph("forgetful", tools=["calculate"], max_turns=8)

    run = await harness.run(turns, graph_id="forgetful")

    truncations = [
        event.data
        for event in await harness.events(run.id)
        if event.kind_name == "ContextTruncated"
    ]
    assert truncations
    assert all(item["tokens_after"] < item["tokens_before"] for item in truncations)
    assert (await harness.replay(run.id)).is_clean
