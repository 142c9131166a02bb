"""The state of a run after each of its steps, read from its log.

A graph's step is a tick of its nodes. A run that is one agent has a step for each turn: the model's
answer, and the outcomes of the calls it asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runs.engine.graph.state import GraphState
from runs.engine.message_maps import message_as_map
from runs.engine.opening import history_of, prompt_images
from runs.engine.state import AgentState
from runs.errors import NoCheckpoint
from runs.event_types import AssistantMessageCompleted, RunForked, RunStarted, StepCompleted
from runs.graphs.documents import Graph
from runs.graphs.expressions import ExpressionInvalid, render
from runs.graphs.registry import get_version
from runs.graphs.routing import Failure
from runs.graphs.state_schema import GOAL
from runs.log.events import StoredEvent
from runs.log.read import walk_events
from runs.models import Run
from runs.providers.base import Message

AGENT_NODE = "agent"


@dataclass(frozen=True, slots=True)
class StepView:
    """What a reader sees of one step."""

    step: int
    nodes: tuple[str, ...]
    state: dict[str, Any]
    facts: tuple[dict[str, Any], ...] = ()
    outputs: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    before: Mapping[str, Any] = field(default_factory=dict)
    transition: StepCompleted | None = None
    facts_before: tuple[dict[str, Any], ...] = ()
    last_output: Mapping[str, Any] = field(default_factory=dict)
    failure: Failure | None = None  # of the node that the transition is from


@dataclass(frozen=True, slots=True)
class History:
    """The steps of one run, oldest first, of those that were not superseded."""

    run: Run
    graph: Graph
    steps: tuple[StepView, ...]
    state: GraphState | None = None  # the fold of the whole log; a lone agent has none

    def at(self, step: int | None) -> StepView:
        """The step of that number, or the newest. Raises `NoCheckpoint`."""
        if step is None and self.steps:
            return self.steps[-1]
        for view in self.steps:
            if view.step == step:
                return view
        raise NoCheckpoint(
            "the run has no checkpoint yet" if step is None else f"no checkpoint at step {step}"
        )


def load_history(run: Run) -> History:
    """Fold the whole log of `run`. Raises `GraphNotFound` when its graph is gone."""
    graph = get_version(run.graph_id, run.version_hash)
    events = list(walk_events(run.id))
    if graph.lone_agent is not None:
        return History(run, graph, tuple(_turns(graph, events)))
    state = fold_graph(graph, events)
    return History(run, graph, tuple(_ticks(state)), state)


def final_state(graph: Graph, events: list[StoredEvent]) -> dict[str, Any]:
    """The state that the events lead to."""
    if graph.lone_agent is not None:
        turns = _turns(graph, events)
        return turns[-1].state if turns else {}
    return fold_graph(graph, events).state


def fold_graph(graph: Graph, events: list[StoredEvent]) -> GraphState:
    state = GraphState(graph)
    for event in events:
        if not event.is_redacted:
            state.apply(event.typed(), event.ts)
    return state


def _ticks(state: GraphState) -> list[StepView]:
    return [
        StepView(
            step,
            tuple(item.outputs) or (item.transition.from_node,),
            item.state,
            item.facts,
            item.outputs,
            item.before,
            item.transition,
            item.facts_before,
            item.last_output,
            item.failure,
        )
        for step, item in sorted(state.checkpoints.items())
    ]


def conversation_of(run: Run) -> list[dict[str, Any]] | None:
    """Every message that a run of one agent holds now, what was said before it included.

    `None` where the log cannot tell any more: an event is redacted, or it has none. Raises
    `GraphNotFound`.
    """
    graph = get_version(run.graph_id, run.version_hash)
    if graph.lone_agent is None:
        return None
    state = _agent_state(graph)
    for event in walk_events(run.id):
        if event.is_redacted:
            return None
        state.apply(event.typed(), event.ts)
    return [message_as_map(message) for message in state.messages] or None


def _agent_state(graph: Graph) -> AgentState:
    config = graph.lone_agent
    assert config is not None  # the callers have asked

    def opening(started: RunStarted) -> list[Message]:
        values = graph.state.with_defaults({**(started.inputs or {}), GOAL: started.goal})
        try:
            text = render(config.prompt, values)
        except ExpressionInvalid:
            text = started.goal
        prompt = Message("user", text, images=prompt_images(config, values))
        return [*history_of(config, values), prompt]

    return AgentState(opening)


def _turns(graph: Graph, events: list[StoredEvent]) -> list[StepView]:
    state = _agent_state(graph)
    maps = _MessageMaps()
    turns: list[StepView] = []
    is_open = False
    first = 0
    for event in events:
        if event.is_redacted:
            continue
        payload = event.typed()
        state.apply(payload, event.ts)
        if isinstance(payload, RunForked):
            # Like that of a graph, a fork's history begins with the step it was forked at.
            first = payload.step
            turns.append(StepView(first, (AGENT_NODE,), _snapshot(state, maps)))
        is_open = is_open or isinstance(payload, AssistantMessageCompleted)
        if is_open and not state.plan:
            is_open = False
            turns.append(StepView(first + len(turns), (AGENT_NODE,), _snapshot(state, maps)))
    return turns


class _MessageMaps:
    """The map of each message, made once: every turn shows all messages until then."""

    def __init__(self) -> None:
        self._made: dict[int, tuple[Message, dict[str, Any]]] = {}  # id → message, map

    def of(self, messages: list[Message]) -> list[dict[str, Any]]:
        made = self._made
        for message in messages:
            if id(message) not in made:
                made[id(message)] = (message, message_as_map(message))
        return [made[id(message)][1] for message in messages]


def _snapshot(state: AgentState, maps: _MessageMaps) -> dict[str, Any]:
    answers = [message.text for message in state.messages if message.role == "assistant"]
    return {
        GOAL: state.started.goal if state.started is not None else "",
        "answer": answers[-1] if answers else "",
        "messages": maps.of(state.messages),
    }
