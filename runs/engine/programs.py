"""What a run executes: one agent, or a graph of nodes. Each begins, takes over and drives."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from django.conf import settings

from accounts.profiles import PROFILES
from project.lib.pool import in_database_thread
from runs.engine.agent import AgentLoop, SharedBudget
from runs.engine.budget import Spent
from runs.engine.effects import GraphEffects, LiveEffects
from runs.engine.fork_effects import recorded_call
from runs.engine.graph.loop import GraphLoop
from runs.engine.graph.races import refused_call
from runs.engine.graph.scope import ScopedJournal
from runs.engine.graph.state import GraphState
from runs.engine.graph.task import Artifact, KeptArtifact, Task
from runs.engine.journal import LiveJournal
from runs.engine.start import Agent, build_agent, build_graph_started, build_run_started
from runs.engine.state import AgentState
from runs.engine.tool_calls import CallContext, Waiting, run_call
from runs.errors import InvalidInput, WorkersLost
from runs.event_types import (
    InputReceived,
    InputRequested,
    Payload,
    RunForked,
    RunResumed,
    RunRewound,
    RunStarted,
    RunSuspended,
    RunUnpaused,
    ToolCallFailed,
    ToolCallScheduled,
)
from runs.graphs.configs import AgentConfig, Budget
from runs.graphs.documents import Graph
from runs.graphs.registry import get_graph, get_version
from runs.graphs.state_schema import GOAL
from runs.log.append import RunTail
from runs.log.events import StoredEvent
from runs.log.writer import GroupCommitWriter
from runs.models import Run
from runs.providers.base import ToolUse
from runs.services.artifacts import keep_artifact as keep
from runs.tools.base import Tool
from runs.tools.registry import get_registry

if TYPE_CHECKING:
    from runs.engine.execution import Execution

#: Workers that a run may lose one after the other before it counts as what kills them.
MAX_LOST_WORKERS = 10
INTERRUPTED = "the worker stopped while this call ran; whether it took effect is not known"

#: After these the run waited for something else than a worker: nothing was in flight, no seam.
_WAITS = (InputReceived, InputRequested, RunForked, RunRewound, RunSuspended, RunUnpaused)


class Program(Protocol):
    """How one leased run is executed. `journal` is set by `open`."""

    def open(self, tail: RunTail, events: Sequence[StoredEvent], writer: GroupCommitWriter) -> None:
        """Fold the log into the state to go on from."""
        ...

    @property
    def journal(self) -> LiveJournal[AgentState] | LiveJournal[GraphState]: ...

    def first_event(self) -> RunStarted: ...

    def take_over(self) -> None:
        """Record what became of a predecessor's open calls, and that somebody else goes on."""
        ...

    async def drive(self) -> None: ...


def program_of(execution: "Execution", graph: Graph) -> Program:
    """Raises `RunsError` when the run's agent cannot be built."""
    config = graph.lone_agent
    if config is not None:
        return AgentProgram(execution, graph, config)
    return GraphProgram(execution, graph)


class AgentProgram:
    """A run that is one agent: its log has no nodes and no steps."""

    journal: LiveJournal[AgentState]

    def __init__(self, execution: "Execution", graph: Graph, config: AgentConfig) -> None:
        run = execution.run
        self._execution = execution
        self.agent = build_agent(
            graph, config, values=values_of(run), model=run.model, budget=run.budget
        )

    def open(self, tail: RunTail, events: Sequence[StoredEvent], writer: GroupCommitWriter) -> None:
        state = AgentState(self.agent.opening)
        for event in events:
            state.apply(event.typed(), event.ts)
        self.journal = LiveJournal(tail, state, writer)

    def first_event(self) -> RunStarted:
        return build_run_started(self._execution.run, self.agent)

    def take_over(self) -> None:
        journal, state = self.journal, self.journal.state
        open_calls = [
            ToolCallScheduled(
                use.call_id, state.plan_turn, use.tool, use.args, state.attempts[use.call_id]
            )
            for use in state.last_plan
            if use.call_id in state.open_calls
        ]
        _take_over(journal, open_calls, self.agent.tools)

    async def drive(self) -> None:
        effects = LiveEffects(self._execution, self.agent, self.journal)
        await AgentLoop(self.agent, self.journal, effects).run()


class GraphProgram:
    """A run of several nodes. It is the `World` of its nodes, too."""

    journal: LiveJournal[GraphState]

    def __init__(self, execution: "Execution", graph: Graph) -> None:
        self._execution = execution
        self._graph = graph
        budget = execution.run.budget
        self._budget = Budget(**budget) if budget else Budget()

    def open(self, tail: RunTail, events: Sequence[StoredEvent], writer: GroupCommitWriter) -> None:
        state = GraphState(self._graph)
        for event in events:
            state.apply(event.typed(), event.ts)
        state.go_live()
        self.journal = LiveJournal(tail, state, writer)

    def first_event(self) -> RunStarted:
        return build_graph_started(self._execution.run, self._graph)

    def take_over(self) -> None:
        calls = [call for _, call in self.journal.state.open_calls()]
        tools = {tool.name: tool for tool in get_registry().all()} if calls else {}
        _take_over(self.journal, calls, tools)

    async def drive(self) -> None:
        loop = GraphLoop(
            self._graph, self.journal, self, boundary=self._boundary, budget=self._budget
        )
        await loop.run()

    async def _boundary(self) -> bool:
        return await self._execution.boundary(self.journal)

    # What the nodes reach

    @property
    def model(self) -> str:
        return self._execution.run.model

    def shared_budget(self) -> SharedBudget | None:
        return (self._budget, self._spent) if self._budget.recorded() else None

    def _spent(self) -> Spent:
        log = self.journal.tail.projection
        return Spent(log.input_tokens, log.output_tokens, log.cost_usd)

    def agent_effects(self, agent: Agent, journal: ScopedJournal, task: Task) -> "GraphEffects":
        return GraphEffects(self._execution, agent, journal, self, task)

    async def drive_agent(self, loop: AgentLoop, journal: ScopedJournal) -> None:
        await loop.run()

    def recorded_call(self, tool: Tool, use: ToolUse, attempt: int) -> Payload | None:
        state = self.journal.state
        return recorded_call(state.forked, state.calls_made, tool, use, attempt)

    async def call_tool(
        self, task: Task, tool: Tool, use: ToolUse, attempt: int
    ) -> Payload | Waiting:
        outcome = self.recorded_call(tool, use, attempt) or refused_call(task, tool, use, attempt)
        if outcome is not None:
            return outcome
        caller = await self._execution.caller(tool)
        return await run_call(tool, use, attempt, CallContext(caller, use.call_id, self.journal))

    async def find_graph(self, graph_id: str, version: str) -> Graph:
        if version:
            return await in_database_thread(get_version, graph_id, version)
        return await in_database_thread(get_graph, graph_id)

    async def keep_artifact(self, task: Task, artifact: Artifact) -> KeptArtifact:
        if "write" not in PROFILES[settings.STARPORT_PROFILE].side_effects:
            raise InvalidInput(f"the {settings.STARPORT_PROFILE} profile lets no node write")
        return await in_database_thread(
            keep,
            self._execution.run.id,
            task.path,
            task.step,
            artifact.name,
            artifact.content_type,
            artifact.data,
            artifact.metadata,
        )


def values_of(run: Run) -> dict[str, object]:
    """What the prompts of a run's agent may refer to."""
    return {**run.inputs, GOAL: run.goal}


def _take_over(
    journal: LiveJournal[AgentState] | LiveJournal[GraphState],
    open_calls: Sequence[ToolCallScheduled],
    tools: dict[str, Tool],
) -> None:
    """Raises `WorkersLost` for a run that would go on losing them."""
    state = journal.state
    if isinstance(state.last, _WAITS):
        return
    if state.lost_workers >= MAX_LOST_WORKERS:
        raise WorkersLost(f"{MAX_LOST_WORKERS} workers in a row stopped at the same step")
    reissued: list[ToolCallScheduled] = []
    for call in open_calls:
        tool = tools.get(call.tool)
        if tool is None or tool.idempotent:
            reissued.append(call)
        else:
            journal.record(
                ToolCallFailed(call.call_id, INTERRUPTED, "interrupted", 0, call.attempt, True)
            )
    at_seq = journal.tail.projection.head_seq
    journal.record(RunResumed(at_seq, True, len(reissued)))
    for call in reissued:
        journal.record(
            ToolCallScheduled(call.call_id, call.turn_id, call.tool, call.args, call.attempt + 1)
        )
