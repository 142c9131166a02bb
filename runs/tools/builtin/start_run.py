"""`start_run`: hand a piece of work to a run of its own."""

from typing import Annotated

from pydantic import Field

from accounts.capabilities import RUNS_START
from project.lib.pool import in_database_thread
from runs.errors import RunsError
from runs.models import Run
from runs.services.starting import Idempotency, Started, StartRequest
from runs.services.starting import start_run as accept_run
from runs.tools.base import ToolContext, ToolError
from runs.tools.recorded import recorded
from runs.tools.typed import tool

MAX_DEPTH = 5  # runs that start runs that start runs: an agent in a loop must not go on for ever

Goal = Annotated[str, Field(min_length=1, max_length=20_000, description="What it should do")]
GraphId = Annotated[str, Field(min_length=1, max_length=200, description="The graph to run")]
ModelName = Annotated[
    str, Field(max_length=200, description="provider:model; empty for the default")
]


# Idempotent: the key of the call makes a second attempt find the run of the first.
@tool(side_effects="write", permissions=(RUNS_START,), timeout_seconds=30)
async def start_run(
    goal: Goal, context: ToolContext, graph_id: GraphId = "agent", model: ModelName = ""
) -> dict[str, str]:
    """Start another run in the background and return its id. It does not wait for the result."""
    request = StartRequest(
        goal=goal,
        graph_id=graph_id,
        model=model,
        trigger_source="tool",
        parent_run_id=context.run_id,
    )

    async def start() -> dict[str, str]:
        started = await in_database_thread(_start, request, context)
        return {"run_id": started.run_id}

    result: dict[str, str] = await recorded(context, "start_run", start)
    return result


def _start(request: StartRequest, context: ToolContext) -> Started:
    if _depth(context.run_id) >= MAX_DEPTH:
        raise ToolError(f"runs may start runs {MAX_DEPTH} levels deep and no deeper")
    body = {"goal": request.goal, "graph_id": request.graph_id, "model": request.model}
    try:
        return accept_run(
            request,
            actor=context.actor,
            user_id=context.user_id,
            granted=context.capabilities,
            api_key_id=_key_of(context.run_id),
            idempotency=Idempotency("tool start_run", context.idempotency_key, body),
        )
    except RunsError as error:
        raise ToolError(str(error)) from error


def _key_of(run_id: str) -> str | None:
    """Who started a run pays for those that it starts, and so does their key."""
    return Run.objects.filter(pk=run_id).values_list("api_key_id", flat=True).first()


def _depth(run_id: str) -> int:
    """How many runs above `run_id` started one another."""
    for depth in range(MAX_DEPTH):
        parent: str | None = (
            Run.objects.filter(pk=run_id).values_list("parent_id", flat=True).first()
        )
        if parent is None:
            return depth
        run_id = parent
    return MAX_DEPTH
