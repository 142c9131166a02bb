"""Where a graph run stands, folded from its log.

Like the agent's, this state changes by `apply` alone. What the current step's nodes have put out
already is kept by path: a worker that takes over goes through the step again, gets recorded
outcomes where there are some, and executes only what is missing.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from runs.engine.fork_effects import CallsMade
from runs.engine.state import AgentState
from runs.event_types import (
    AssistantMessageCompleted,
    BranchFinished,
    BranchStarted,
    BudgetExceeded,
    ContextTruncated,
    InputReceived,
    InputRequested,
    InputTimedOut,
    NodeFailed,
    NodeFinished,
    NodeStarted,
    Payload,
    ReasoningEmitted,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunForked,
    RunPaused,
    RunResumed,
    RunRewound,
    RunStarted,
    RunSuspended,
    RunUnpaused,
    SideEffectRecorded,
    StepCompleted,
    TimerSet,
    ToolCallCompleted,
    ToolCallFailed,
    ToolCallScheduled,
    TurnStarted,
    UserMessageAppended,
)
from runs.graphs.documents import Graph
from runs.graphs.routing import Failure
from runs.graphs.rules import Fact, change_facts
from runs.graphs.state_schema import GOAL

_PART = re.compile(r"(branch|item)-\d+")

#: After these a run waits: for a human, a timer or whoever paused it.
_WAITS = (RunSuspended, RunPaused, InputRequested)


def top_path(step: int) -> str:
    """The path of a step's node when it has no branches."""
    return str(step)


def branch_path(path: str, branch: int) -> str:
    return f"{path}:branch-{branch}"


def item_path(path: str, index: int) -> str:
    return f"{path}:item-{index}"


def subgraph_path(path: str, node_id: str) -> str:
    """What the paths inside a subgraph begin with; its own transitions are recorded under it."""
    return f"{path}:{node_id}"


def frame_of(path: str) -> str:
    """The prefix of the subgraph that this execution is in; "" for the run's own graph."""
    outer, _, last = path.rpartition(":")
    while _PART.fullmatch(last):
        outer, _, last = outer.rpartition(":")
    return f"{outer}:{last.rpartition('.')[0]}" if outer else ""


def is_top(path: str) -> bool:
    """Whether it is a node of the run's own graph, alone in its step or a branch of it."""
    step, _, rest = path.partition(":")
    return step.isdecimal() and (not rest or re.fullmatch(r"branch-\d+", rest) is not None)


def gate_key(path: str, node_id: str) -> str:
    """Which gate an execution is of: its node, after the nodes of the subgraphs around it."""
    outer = [part for part in frame_of(path).split(":")[1:] if not _PART.fullmatch(part)]
    return "/".join([*(part.partition(".")[0] for part in outer), node_id])


def inner_path(prefix: str, step: int) -> str:
    return f"{prefix}.{step}" if prefix else top_path(step)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state after a step, and the transition that followed it."""

    state: dict[str, Any]
    facts: tuple[Fact, ...]
    transition: StepCompleted
    before: dict[str, Any]  # the state that the step began with
    facts_before: tuple[Fact, ...]
    outputs: dict[str, dict[str, Any]]  # what each node that ran in the step put out
    last_output: dict[str, Any]
    failure: Failure | None  # of the node that the transition is from


@dataclass(slots=True)
class StepLog:
    """What the log says about the step that is under way."""

    started: dict[str, int] = field(default_factory=dict)  # path → ts
    node_ids: dict[str, str] = field(default_factory=dict)  # path → node id
    finished: dict[str, NodeFinished] = field(default_factory=dict)
    failed: dict[str, NodeFailed] = field(default_factory=dict)
    branches_started: set[str] = field(default_factory=set)
    branches: dict[str, str] = field(default_factory=dict)  # path → outcome
    inner: dict[str, list[StepCompleted]] = field(default_factory=lambda: defaultdict(list))
    scopes: dict[str, list[tuple[Payload, int]]] = field(default_factory=lambda: defaultdict(list))
    timers: dict[str, int] = field(default_factory=dict)  # path → Unix ns
    answers: dict[str, InputReceived] = field(default_factory=dict)
    timeouts: dict[str, InputTimedOut] = field(default_factory=dict)


@dataclass(slots=True)
class GraphState:
    """The fold of a graph run's log."""

    graph: Graph
    started: RunStarted | None = None
    forked: RunForked | None = None
    state: dict[str, Any] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    step: int = 0  # the one that comes next, or is under way
    transition: StepCompleted | None = None  # the newest
    must_route: bool = False  # a fork: the transition after its step is decided again
    now: StepLog = field(default_factory=StepLog)
    checkpoints: dict[int, Checkpoint] = field(default_factory=dict)
    keeps_checkpoints: bool = True
    failures_in_a_row: dict[tuple[str, str], int] = field(default_factory=dict)  # frame, node id
    answered: dict[str, int] = field(default_factory=dict)  # gate → how often
    calls_made: CallsMade = field(default_factory=CallsMade)  # by a fork
    agents: dict[str, AgentState] = field(default_factory=dict)  # live, by path
    versions: dict[str, str] = field(default_factory=dict)  # of subgraphs: graph id → hash
    asked: InputRequested | None = None  # the question that is open
    last_output: dict[str, Any] = field(default_factory=dict)
    is_paused: bool = False
    waited_ns: int = 0  # for humans and timers; the wall-clock budget does not count it
    waiting_since_ns: int = 0
    started_ns: int = 0
    lost_workers: int = 0  # in a row, with no outcome between them
    terminal: Payload | None = None
    last: Payload | None = None
    _turns: dict[str, str] = field(default_factory=dict)  # turn id → path
    _calls: dict[str, str] = field(default_factory=dict)  # call id → path

    def go_live(self) -> None:
        """Forget the past: what a run holds in memory must not grow with its steps.

        Only a rewind wants it back, and that is recorded while nobody executes the run: whoever
        takes it up then folds the log anew.
        """
        self.checkpoints.clear()
        self.keeps_checkpoints = False

    def knows_call(self, call_id: str) -> bool:
        return call_id in self._calls

    def apply(self, payload: Payload, ts: int) -> None:
        """Take in the next event of the log."""
        self.last = payload
        match payload:
            case RunStarted():
                self.started, self.started_ns = payload, ts
                self.state = self.graph.state.initial(
                    {**(payload.inputs or {}), GOAL: payload.goal}
                )
            case RunForked():
                self._take_fork(payload)
            case NodeStarted():
                self.now.started[payload.path] = ts
                if payload.graph_hash:
                    self.versions.setdefault(payload.graph_id, payload.graph_hash)
                self.now.node_ids[payload.path] = payload.node_id
            case NodeFinished():
                self.lost_workers = 0
                self.now.finished[payload.path] = payload
                self.failures_in_a_row.pop((frame_of(payload.path), payload.node_id), None)
            case NodeFailed():
                self.lost_workers = 0
                self.now.failed[payload.path] = payload
                node = (frame_of(payload.path), payload.node_id)
                self.failures_in_a_row[node] = self.failures_in_a_row.get(node, 0) + 1
            case StepCompleted():
                self._complete_step(payload)
            case BranchStarted():
                self.now.branches_started.add(payload.path)
            case BranchFinished():
                self.now.branches[payload.path] = payload.outcome
            case TimerSet():
                self.now.timers[payload.path] = payload.until_ns
            case RunSuspended() | RunPaused():
                self.is_paused = isinstance(payload, RunPaused)
                self.waiting_since_ns = ts
            case RunUnpaused():
                self.is_paused = False
                self._stop_waiting(ts)
            case RunRewound():
                self._rewind(payload.step)
            case InputRequested():
                self.asked, self.waiting_since_ns = payload, ts
                self._pass_on(payload, ts, payload.path)
            case InputReceived():
                self._stop_waiting(ts)
                self.lost_workers = 0
                self.asked = None
                self.now.answers[payload.path] = payload
                if not payload.call_id:
                    gate = gate_key(payload.path, self.now.node_ids.get(payload.path, ""))
                    self.answered[gate] = self.answered.get(gate, 0) + 1
                self._pass_on(payload, ts, payload.path)
            case InputTimedOut():
                self._stop_waiting(ts)
                self.asked = None
                self.now.timeouts[payload.path] = payload
            case RunResumed():
                self.lost_workers += 1
                for path in list(self.now.scopes):
                    self._pass_on(payload, ts, path)
            case RunCompleted() | RunFailed() | RunCancelled():
                self.terminal = payload
            case _:
                self._take_scoped(payload, ts)
        if not isinstance(payload, _WAITS):
            self._stop_waiting(ts)

    def is_over(self, path: str) -> bool:
        """Whether nothing of this execution is under way any more."""
        log = self.now
        return path in log.finished or path in log.failed or path in log.branches

    def open_calls(self) -> list[tuple[str, ToolCallScheduled]]:
        """Tool calls without an outcome whose node still wants one, with their paths, in order."""
        found = []
        for path, events in self.now.scopes.items():
            if self.is_over(path) or any(self.is_over(outer) for outer in _outer(path)):
                continue
            calls: dict[str, ToolCallScheduled] = {}
            for payload, _ in events:
                match payload:
                    case ToolCallScheduled():
                        calls[payload.call_id] = payload
                    case ToolCallCompleted() | ToolCallFailed():
                        calls.pop(payload.call_id, None)
                    case InputRequested():
                        calls.pop(payload.call_id, None)  # its outcome comes with the answer
            found += [(path, call) for call in calls.values()]
        return found

    # Steps

    def _complete_step(self, payload: StepCompleted) -> None:
        if payload.path:
            self.now.inner[payload.path].append(payload)
            return
        changes = payload.merged
        if changes is None:
            finished = self.now.finished.get(top_path(payload.step))
            changes = finished.output if finished is not None else {}
        before = self.state
        if changes:
            self.state = {**before, **changes}
            self.last_output = changes
        facts_before = tuple(self.facts)
        self.facts = change_facts(
            self.facts, asserted=payload.asserted or (), retracted=payload.retracted or ()
        )
        if self.keeps_checkpoints:
            self.checkpoints[payload.step] = Checkpoint(
                self.state,
                tuple(self.facts),
                payload,
                before,
                facts_before,
                self._outputs_of_step(),
                self.last_output,
                self._failure_of_step(payload.from_node),
            )
        self.transition, self.must_route = payload, False
        self.step = payload.step + 1
        self._clear_step()

    def _outputs_of_step(self) -> dict[str, dict[str, Any]]:
        """Of the run's own nodes, not of items and subgraphs."""
        losers = {path for path, outcome in self.now.branches.items() if outcome != "completed"}
        return {
            item.node_id: item.output
            for path, item in self.now.finished.items()
            if path not in losers and is_top(path)
        }

    def _failure_of_step(self, node_id: str) -> Failure | None:
        for path, item in self.now.failed.items():
            if item.node_id == node_id and is_top(path):
                attempts = self.failures_in_a_row.get(("", node_id), 1)
                return Failure(item.error, item.error_type, attempts)
        return None

    def _clear_step(self) -> None:
        self.now = StepLog()
        self.agents.clear()
        self._turns.clear()

    def _rewind(self, step: int) -> None:
        """Back to the state after `step`; checkpoints of later steps are superseded."""
        self.step = step + 1
        checkpoint = self.checkpoints.get(step)
        if checkpoint is not None:  # else its event was redacted since
            self.state, self.facts = checkpoint.state, list(checkpoint.facts)
            self.transition, self.last_output = checkpoint.transition, checkpoint.last_output
        self.checkpoints = {at: item for at, item in self.checkpoints.items() if at <= step}
        self.asked = None
        self.failures_in_a_row.clear()
        self._clear_step()

    def _take_fork(self, payload: RunForked) -> None:
        self.forked = payload
        self.state, self.facts = dict(payload.state), list(payload.facts or ())
        self.step, self.must_route = payload.step, True
        self.last_output = payload.output or {}
        self.versions.update(payload.versions or {})
        if payload.failure is not None:
            self.failures_in_a_row["", payload.node_id] = payload.failure["attempts"]

    def worked_ns(self, now: int) -> int:
        """Time since the first event without waits; one that is open still counts as a wait."""
        open_wait = max(0, now - self.waiting_since_ns) if self.waiting_since_ns else 0
        return now - self.started_ns - self.waited_ns - open_wait

    def _stop_waiting(self, ts: int) -> None:
        if self.waiting_since_ns:
            self.waited_ns += max(0, ts - self.waiting_since_ns)
            self.waiting_since_ns = 0

    # What belongs to one node

    def _take_scoped(self, payload: Payload, ts: int) -> None:
        path = ""
        match payload:
            case TurnStarted():
                path = self._turns[payload.turn_id] = payload.path
            case UserMessageAppended() | ContextTruncated() | BudgetExceeded():
                path = payload.path
            case AssistantMessageCompleted():
                self.lost_workers = 0
                path = self._turns.get(payload.turn_id, "")
                for use in payload.tool_uses or ():
                    self._calls[use["call_id"]] = path
            case ReasoningEmitted():
                path = self._turns.get(payload.turn_id, "")
            case ToolCallScheduled():
                if self.forked is not None:
                    self.calls_made.take(payload)
                # The call of a tool node has no turn: its path stands in for one.
                path = self._calls.setdefault(payload.call_id, payload.turn_id)
            case ToolCallCompleted() | ToolCallFailed():
                self.lost_workers = 0
                path = self._calls.get(payload.call_id, "")
            case SideEffectRecorded():
                path = self._calls.get(payload.call_id, "")
        if path:
            self._pass_on(payload, ts, path)

    def _pass_on(self, payload: Payload, ts: int, path: str) -> None:
        self.now.scopes[path].append((payload, ts))
        agent = self.agents.get(path)
        if agent is not None:
            agent.apply(payload, ts)


def _outer(path: str) -> Iterable[str]:
    """The executions that this one is part of."""
    while ":" in path:
        path = path.rpartition(":")[0]
        yield path
