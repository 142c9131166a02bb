"""Events as an agent's turns leave them: the same rows for Starport and for raw SQLite."""

from collections.abc import Iterator
from itertools import cycle

from project.lib.ids import new_ulid
from runs.event_types import (
    AssistantMessageCompleted,
    Payload,
    RunStarted,
    ToolCallCompleted,
    ToolCallScheduled,
    TurnStarted,
)

_ANSWER = "The sum of both is five, and that times four is twenty; I will check it once more."


def run_started(goal: str = "benchmark") -> RunStarted:
    return RunStarted(
        schema_version=1,
        goal=goal,
        provider_id="scripted",
        model_id="scripted",
        api_version="v0",
        tool_schemas=[],
        graph_id="agent",
        trigger_source="api",
    )


def turn_events() -> Iterator[Payload]:
    """A model turn and its tool call, over and over: 75 to 330 bytes each."""
    turn, call = new_ulid(), new_ulid()
    arguments = {"expression": "(2 + 3) * 4"}
    return cycle(
        (
            TurnStarted(turn, bytes(range(32)), 42),
            AssistantMessageCompleted(
                turn,
                _ANSWER,
                "tool_use",
                42,
                17,
                0.000076,
                [{"call_id": call, "tool": "calculate", "args": arguments}],
                raw_response_hash=bytes(range(32)),
            ),
            ToolCallScheduled(call, turn, "calculate", arguments),
            ToolCallCompleted(call, {"result": 20}, 1),
        )
    )
