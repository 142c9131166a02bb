"""A `tool` node: one call, with its intent and its outcome in the log like an agent's."""

from typing import TYPE_CHECKING, Any

from runs.engine.graph.outcomes import Failed, Finished, Outcome, WaitsForInput
from runs.engine.tool_calls import Waiting, schedule
from runs.event_types import (
    InputRequested,
    Payload,
    ToolCallCompleted,
    ToolCallFailed,
    ToolCallScheduled,
)
from runs.graphs.configs import ToolConfig
from runs.graphs.expressions import ExpressionInvalid, render_value
from runs.providers.base import ToolUse
from runs.tools.base import Tool
from runs.tools.registry import get_registry

if TYPE_CHECKING:
    from runs.engine.graph.runner import NodeRunner
    from runs.engine.graph.task import Task


async def call_tool(runner: "NodeRunner", task: "Task", config: ToolConfig) -> Outcome:
    """Call the tool, unless the log has the outcome of its call already."""
    try:
        tool = get_registry().resolve(config.tool)
    except LookupError as error:
        return Failed(str(error), "tool")
    scheduled, outcome = _of_the_log(runner, task)
    if scheduled is None:
        use = ToolUse(runner.journal.new_id(), tool.name, _arguments(config, task.values()))
        # The call belongs to no turn: the path stands in for one.
        schedule(runner.journal, task.path, (use,))
        attempt = 1
    else:
        use = ToolUse(scheduled.call_id, scheduled.tool, scheduled.args)
        attempt = scheduled.attempt
    if outcome is None:
        await runner.journal.commit()
        made = await _execute(runner, task, tool, use, attempt)
        if isinstance(made, Waiting):
            return WaitsForInput(_question(task, made))
        outcome = made
        await runner.journal.turn(task.path)
        runner.journal.record(outcome)
    if isinstance(outcome, ToolCallFailed):
        return Failed(outcome.error, outcome.error_type)
    return Finished(
        {config.out: outcome.result if isinstance(outcome, ToolCallCompleted) else None}
    )


def _of_the_log(
    runner: "NodeRunner", task: "Task"
) -> tuple[ToolCallScheduled | None, Payload | None]:
    """The newest attempt of the node's call, and its outcome."""
    scheduled: ToolCallScheduled | None = None
    outcome: Payload | None = None
    for payload, _ in runner.state.now.scopes[task.path]:
        if isinstance(payload, ToolCallScheduled):
            scheduled, outcome = payload, None
        elif isinstance(payload, ToolCallCompleted | ToolCallFailed):
            outcome = payload
    return scheduled, outcome


async def _execute(
    runner: "NodeRunner", task: "Task", tool: Tool, use: ToolUse, attempt: int
) -> Payload | Waiting:
    answer = runner.state.now.answers.get(task.path)
    if answer is not None:
        # A human's response is the result of the call that asked.
        return ToolCallCompleted(use.call_id, {"response": answer.response}, 0, attempt)
    return await runner.world.call_tool(task, tool, use, attempt)


def _question(task: "Task", waiting: Waiting) -> InputRequested:
    request = waiting.request
    return InputRequested(
        request.prompt,
        waiting.use.call_id,
        request.schema,
        path=task.path,
        node_id=task.node.id,
    )


def _arguments(config: ToolConfig, values: dict[str, Any]) -> dict[str, Any]:
    """Fields of the state by name, over values and templates of the document."""
    missing = [name for name in config.inputs.values() if name not in values]
    if missing:
        raise ExpressionInvalid(f"there is no state field {missing[0]!r}")
    named = {argument: values[name] for argument, name in config.inputs.items()}
    static: dict[str, Any] = render_value(config.static, values)
    return {**static, **named}
