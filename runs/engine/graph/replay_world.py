"""What the nodes of a replayed run reach: answers and effects as recorded, pure tools for real."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from project.lib.pool import in_database_thread
from runs.artifacts import content_hash
from runs.engine.agent import BUDGET_ERROR, AgentLoop, SharedBudget
from runs.engine.budget import Spent, Trip
from runs.engine.fork_effects import recorded_call
from runs.engine.graph.replay_journal import GraphReplayJournal
from runs.engine.graph.scope import ScopedJournal
from runs.engine.graph.task import Artifact, Task
from runs.engine.journal import Journal
from runs.engine.model_call import Answer, BudgetTripped, Reasoning
from runs.engine.replay_effects import ReplayContext, answer_of
from runs.engine.replay_journal import Diverged, Divergence, as_map
from runs.engine.spending import REACHED, SPENDING, LimitReached
from runs.engine.start import Agent
from runs.engine.tool_calls import Caller, Waiting, run_call
from runs.errors import GraphNotFound, InvalidInput
from runs.event_types import (
    ArtifactWritten,
    AssistantMessageCompleted,
    BudgetExceeded,
    NodeFailed,
    Payload,
    ReasoningEmitted,
    ToolCallCompleted,
    ToolCallFailed,
)
from runs.graphs.configs import Budget
from runs.graphs.documents import Graph
from runs.graphs.registry import get_version
from runs.models import Run
from runs.providers.base import ModelRequest, ProviderError, ToolUse, Usage
from runs.tools.base import Tool, WaitForInput

_PROVIDER_ERROR = re.compile(r'starling: provider "[^"]*"(?: \(status (\d+)\))?: (.*)', re.DOTALL)
_INVALID_STREAM = re.compile(r"starling: invalid stream: (.*)", re.DOTALL)


class _OutOfTime(Exception):
    """Here the clock ended the agent of a node."""

    def __init__(self, exceeded: BudgetExceeded) -> None:
        super().__init__(exceeded.limit)
        self.exceeded = exceeded


@dataclass(slots=True)
class _Kept:
    digest: str
    name: str
    content_type: str
    size: int


class ReplayWorld:
    """The `World` of a replay. Nothing in it writes, and nothing reaches out."""

    def __init__(self, run: Run, journal: GraphReplayJournal, budget: Budget) -> None:
        self.journal = journal
        self.recording = journal.recording
        self._run = run
        self._budget = budget

    @property
    def model(self) -> str:
        return self._run.model

    def shared_budget(self) -> SharedBudget | None:
        return (self._budget, self._spent) if self._budget.recorded() else None

    def _spent(self) -> Spent:
        log = self.journal.tail.projection
        return Spent(log.input_tokens, log.output_tokens, log.cost_usd)

    def agent_effects(
        self, agent: Agent, journal: ScopedJournal, task: Task
    ) -> "ReplayedAgentEffects":
        return ReplayedAgentEffects(agent, journal, self)

    async def drive_agent(self, loop: AgentLoop, journal: ScopedJournal) -> None:
        # Only the recording can run out of time.
        budget = loop.agent.budget.model_copy(update={"max_wall_clock_ms": 0})
        loop.agent = replace(loop.agent, budget=budget)
        try:
            await loop.run()
        except _OutOfTime as ended:
            journal.record(replace(ended.exceeded, path=""))
            journal.fail(BUDGET_ERROR, "budget")

    def recorded_call(self, tool: Tool, use: ToolUse, attempt: int) -> Payload | None:
        state = self.journal.state
        return recorded_call(state.forked, state.calls_made, tool, use, attempt)

    async def call_tool(
        self, task: Task, tool: Tool, use: ToolUse, attempt: int
    ) -> Payload | Waiting:
        return await self.replay_call(tool, use, attempt, task.path, self.journal)

    async def find_graph(self, graph_id: str, version: str) -> Graph:
        """The version that the recorded run had, also of a graph that it is about to begin."""
        version = version or self.recording.versions.get(graph_id, "")
        if not version:
            raise GraphNotFound(f"there is no graph {graph_id!r}")
        with self.journal.busy():
            return await in_database_thread(get_version, graph_id, version)

    async def keep_artifact(self, task: Task, artifact: Artifact) -> _Kept:
        """What would have been kept: the bytes are compared by their digest, and stay nowhere."""
        await self.journal.turn(task.path)
        recorded = self.journal.next_payload()
        if isinstance(recorded, NodeFailed):
            raise InvalidInput(recorded.error)  # the store or the profile refused it
        if not isinstance(recorded, ArtifactWritten):
            self.diverged("ArtifactWritten")
        # Of its name only what can be a file's was kept, and the type was tidied up: neither is
        # ours to do again, for the node's own words are in its document, which did not change.
        return _Kept(
            content_hash(artifact.data), recorded.name, recorded.content_type, len(artifact.data)
        )

    async def replay_call(
        self, tool: Tool | None, use: ToolUse, attempt: int, path: str, journal: Journal[Any]
    ) -> Payload | Waiting:
        """The recorded outcome of an effect; a tool without any is executed and compared."""
        recorded = self.recording.outcomes.get((use.call_id, attempt))
        asked = self.recording.asked.get(use.call_id)
        is_cut_off = recorded is None or _is_cut_off(recorded)
        if is_cut_off and asked is None:
            await self._until_outcome(path, use, attempt, is_patient=True)
        outcome: Payload | Waiting | None = recorded
        if tool is None or tool.side_effects == "none":
            stand_in = self.recorded_call(tool, use, attempt) if tool is not None else None
            outcome = stand_in or await self._execute(tool, use, attempt, journal)
        elif asked is not None:
            # Calls that have their answer are not made again: this is the one that asks.
            outcome = Waiting(use, WaitForInput(asked.prompt, schema=asked.schema))
        if isinstance(outcome, Waiting):
            return outcome
        await self._until_outcome(path, use, attempt)
        assert outcome is not None
        return outcome

    async def _execute(
        self, tool: Tool | None, use: ToolUse, attempt: int, journal: Journal[Any]
    ) -> Payload | Waiting:
        permissions = frozenset(tool.permissions if tool is not None else ())
        caller = Caller(self._run.id, "", None, permissions)
        effects = list(self.recording.side_effects[use.call_id, attempt])
        context = ReplayContext(caller, use.call_id, journal, effects)
        with self.journal.busy():
            return await run_call(tool, use, attempt, context)

    async def _until_outcome(
        self, path: str, use: ToolUse, attempt: int, *, is_patient: bool = False
    ) -> None:
        def is_mine(place: int) -> bool:
            payload = self.recording.payloads[place]
            if isinstance(payload, ToolCallCompleted | ToolCallFailed):
                is_same = (payload.call_id, payload.attempt) == (use.call_id, attempt)
                return is_same and not _is_cut_off(payload)
            return _is_out_of_time(payload, path)

        await self.journal.until(path, is_mine, is_patient=is_patient)
        payload = self.journal.next_payload()
        if isinstance(payload, BudgetExceeded) and _is_out_of_time(payload, path):
            raise _OutOfTime(payload)

    def diverged(self, produced: str) -> NoReturn:
        """The next recorded event is not what the run comes to."""
        event, payload = self.journal.peek(), self.journal.next_payload()
        assert event is not None and payload is not None
        raise Diverged(
            Divergence(
                event.seq,
                "kind",
                event.kind_name,
                produced,
                f"recorded {event.kind_name}, produced {produced}",
                as_map(payload),
                {},
            )
        )


def _is_cut_off(outcome: Payload) -> bool:
    return isinstance(outcome, ToolCallFailed) and outcome.error_type in (
        "interrupted",
        "cancelled",
    )


def _is_out_of_time(payload: Payload, path: str) -> bool:
    return (
        isinstance(payload, BudgetExceeded)
        and payload.limit == "wall_clock"
        and payload.path == path
    )


class ReplayedAgentEffects:
    """The outside of one agent among the nodes."""

    def __init__(self, agent: Agent, journal: ScopedJournal, world: ReplayWorld) -> None:
        self._agent = agent
        self._scope = journal
        self._world = world

    async def boundary(self) -> bool:
        state = self._scope.state
        if not state.plan and state.answer is None:
            await self._world.journal.turn(self._scope.path)  # its next turn, or its end
            payload = self._world.journal.next_payload()
            if isinstance(payload, BudgetExceeded) and _is_out_of_time(payload, self._scope.path):
                raise _OutOfTime(payload)
        return False

    async def spending(self) -> LimitReached | None:
        """What others spent at that time is in the recording, where it stopped the node."""
        journal, path = self._world.journal, self._scope.path
        place = journal.place()
        payload = journal.next_payload()
        if (
            not isinstance(payload, BudgetExceeded)
            or payload.limit != SPENDING
            or payload.path != path
        ):
            return None
        later = journal.recording.payloads[place + 1 :]
        said = next(
            (item.error for item in later if isinstance(item, NodeFailed) and item.path == path), ""
        )
        return LimitReached(said.removeprefix(REACHED), payload.cap, payload.actual)

    async def call_model(
        self,
        turn_id: str,
        request: ModelRequest,
        on_text: Callable[[str, int], None],
        check: Callable[[Usage], object],
    ) -> Answer:
        journal, path = self._world.journal, self._scope.path
        await journal.turn(path)
        if journal.owner() != path:
            self._world.diverged("AssistantMessageCompleted")
        answer = Answer()
        for payload in journal.recording.payloads[journal.place() :]:
            match payload:
                case ReasoningEmitted():
                    answer.reasoning.append(
                        Reasoning(payload.content, payload.signature, payload.redacted)
                    )
                case AssistantMessageCompleted():
                    return answer_of(payload, answer)
                case BudgetExceeded(limit="wall_clock"):
                    raise _OutOfTime(payload)
                case BudgetExceeded():
                    trip = Trip(payload.limit, payload.cap, payload.actual)
                    raise BudgetTripped(trip, payload.partial_text, payload.partial_tokens)
                case NodeFailed():
                    raise self._error_of(payload)
                case _:
                    break
        self._world.diverged("AssistantMessageCompleted")

    def _error_of(self, failed: NodeFailed) -> ProviderError:
        if found := _PROVIDER_ERROR.fullmatch(failed.error):
            status = int(found[1]) if found[1] else None
            return ProviderError("bad_request", found[2], status=status)
        if found := _INVALID_STREAM.fullmatch(failed.error):
            return ProviderError("invalid_stream", found[1])
        self._world.diverged("AssistantMessageCompleted")

    async def call_tool(self, use: ToolUse, attempt: int) -> Payload | Waiting:
        tool = self._agent.tools.get(use.tool)
        return await self._world.replay_call(tool, use, attempt, self._scope.path, self._scope)
