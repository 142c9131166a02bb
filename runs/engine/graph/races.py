"""Effects in branches of which one wins: they are refused, for a loser's could not be undone."""

from typing import TYPE_CHECKING

from runs.event_types import ToolCallFailed
from runs.providers.base import ToolUse
from runs.tools.base import Tool

if TYPE_CHECKING:
    from runs.engine.graph.task import Task

EFFECT_IN_RACE = "effect_in_race"


def refusal(what: str) -> str:
    return f"{what} has an effect, and a branch that may lose can have none (see allow_effects)"


def refused_call(task: "Task", tool: Tool, use: ToolUse, attempt: int) -> ToolCallFailed | None:
    """The outcome of a call that may not be made where `task` runs; `None`: it may."""
    if not (task.frame.forbids_effects and tool.has_effects):
        return None
    return ToolCallFailed(use.call_id, refusal(tool.name), EFFECT_IN_RACE, 0, attempt, True)
