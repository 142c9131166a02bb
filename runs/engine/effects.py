"""The outside of an agent that runs live: real models and tools."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from runs.engine.fork_effects import recorded_call
from runs.engine.graph.races import refused_call
from runs.engine.model_call import Answer, call_model
from runs.engine.spending import LimitReached, Spender, check_call
from runs.engine.start import Agent
from runs.engine.tool_calls import CallContext, Waiting, run_call
from runs.event_types import Payload
from runs.providers.base import ModelRequest, ToolUse, Usage
from runs.tools.base import Tool

if TYPE_CHECKING:
    from runs.engine.execution import Execution
    from runs.engine.graph.scope import ScopedJournal
    from runs.engine.graph.task import Task, World
    from runs.engine.journal import LiveJournal
    from runs.engine.state import AgentState


class LiveEffects:
    """Of a run that is one agent."""

    def __init__(
        self,
        execution: "Execution",
        agent: Agent,
        journal: "LiveJournal[AgentState] | ScopedJournal",
    ) -> None:
        self._execution = execution
        self._agent = agent
        self._journal = journal

    async def call_model(
        self,
        turn_id: str,
        request: ModelRequest,
        on_text: Callable[[str, int], None],
        check: Callable[[Usage], object],
    ) -> Answer:
        return await call_model(self._agent.client, request, on_text=on_text, check=check)  # type: ignore[arg-type]

    async def call_tool(self, use: ToolUse, attempt: int) -> Payload | Waiting:
        tool = self._agent.tools.get(use.tool)
        recorded = self._recorded(tool, use, attempt) if tool is not None else None
        if recorded is not None:
            return recorded
        caller = await self._execution.caller(tool)
        context = CallContext(caller, use.call_id, self._journal)
        return await run_call(tool, use, attempt, context)

    def _recorded(self, tool: Tool, use: ToolUse, attempt: int) -> Payload | None:
        state = self._journal.state
        return recorded_call(state.forked, state.calls_made, tool, use, attempt)

    async def spending(self) -> LimitReached | None:
        run = self._execution.run
        return await check_call(Spender.of(run.creator_id, run.api_key_id))

    async def boundary(self) -> bool:
        return await self._execution.boundary(self._journal)  # type: ignore[arg-type]


class GraphEffects(LiveEffects):
    """Of one agent among the nodes of a graph."""

    def __init__(
        self,
        execution: "Execution",
        agent: Agent,
        journal: "ScopedJournal",
        world: "World",
        task: "Task",
    ) -> None:
        super().__init__(execution, agent, journal)
        self._world = world
        self._task = task

    def _recorded(self, tool: Tool, use: ToolUse, attempt: int) -> Payload | None:
        recorded = self._world.recorded_call(tool, use, attempt)
        return recorded or refused_call(self._task, tool, use, attempt)

    async def boundary(self) -> bool:
        """Mail is for the run, which reads it between steps; a node only stops for a drain."""
        return self._execution.is_draining
