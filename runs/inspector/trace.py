"""Where a run of a graph is: its drawing with the way it went, and a line for each step."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.safestring import SafeString

from runs.api.verdicts import CHECKED_UNASKED
from runs.engine.graph.state import GraphState, branch_path, is_top, top_path
from runs.errors import GraphNotFound, LogCorrupt
from runs.event_types import RunCancelled, RunFailed, StepCompleted
from runs.graph_pages.drawing import Drawing, Standing, draw
from runs.graph_pages.edges import END, START
from runs.graphs.documents import Graph
from runs.graphs.registry import get_version
from runs.graphs.routing import first_route
from runs.inspector.payloads import colour, pretty
from runs.models import Run
from runs.services.checkpoints import History, StepView, load_history
from runs.services.listing import RunDetail

STEPS_SHOWN = 200
CHANGE_CHARS = 1_000  # of one step
#: While a run goes on its trace is drawn again and again, each time from the whole log.
FOLDED_LIVE = 2_000


@dataclass(frozen=True, slots=True)
class Step:
    """A step as its line shows it."""

    number: int
    nodes: str
    following: str
    why: str
    changes: SafeString  # small JSON; "" when the state stayed as it was


@dataclass(frozen=True, slots=True)
class Trace:
    """`note` says what is not shown, and why."""

    drawing: Drawing | None
    steps: tuple[Step, ...] = ()  # newest first
    note: str = ""


def read_trace(run: RunDetail, *, is_live: bool = False) -> Trace | None:
    """`None` for a run that is one agent: its timeline says it all."""
    row = Run.objects.get(pk=run.id)
    try:
        graph = get_version(row.graph_id, row.version_hash)
    except GraphNotFound:
        return None
    if graph.lone_agent is not None or (is_live and run.head_seq > FOLDED_LIVE):
        return None
    if run.head_seq > CHECKED_UNASKED:
        return Trace(draw(graph), note=f"Where it is, is not shown: {run.head_seq:,} events.")
    try:
        history = load_history(row)
        standings, taken = _standings(history), _taken(history)
    # A log that was tampered with is just what people look at.
    except (LogCorrupt, LookupError, TypeError, ValueError, AttributeError):
        return Trace(draw(graph), note="Where it is, is not shown: its log cannot be read.")
    steps = [_step(view) for view in history.steps[-STEPS_SHOWN:]]
    hidden = len(history.steps) - len(steps)
    return Trace(
        draw(graph, standings, taken),
        tuple(reversed(steps)),
        f"{hidden:,} earlier steps are not shown." if hidden else "",
    )


def _standings(history: History) -> dict[str, Standing]:
    state = history.state
    if state is None:
        return {}
    times: Counter[str] = Counter()
    states: dict[str, str] = {}
    asked_by_rule = False
    for view in history.steps:
        for node_id in view.outputs:
            # A rule's question is asked in the name of the node before it.
            times[node_id] += not asked_by_rule
            states[node_id] = "done"
        if not view.outputs and view.transition is not None and not asked_by_rule:
            states[view.transition.from_node] = "failed"  # and a rule took care of it
        asked_by_rule = view.transition is not None and view.transition.reason == "interrupt"
    for path, finished in state.now.finished.items():
        if is_top(path):
            times[finished.node_id] += not asked_by_rule
            states[finished.node_id] = "done"
    states |= _now(history.graph, state)
    return {node_id: Standing(word, times[node_id]) for node_id, word in states.items()}


def _now(graph: Graph, state: GraphState) -> dict[str, str]:
    """The nodes of the step that is under way, or comes next."""
    if state.asked is not None and state.terminal is None and state.asked.node_id in graph.nodes:
        asking = {state.asked.node_id: "waiting"}
    else:
        asking = {}
    states = {}
    for path, node_id in _under_way(graph, state):
        if path in state.now.failed:
            states[node_id] = "failed"
        elif path in state.now.finished:
            states[node_id] = "done"
        elif state.terminal is None:
            states[node_id] = "current" if path in state.now.started else "next"
        elif path in state.now.started and isinstance(state.terminal, RunFailed):
            states[node_id] = "failed"
        elif path in state.now.started and isinstance(state.terminal, RunCancelled):
            states[node_id] = "stopped"
    return states | asking


def _under_way(graph: Graph, state: GraphState) -> Iterable[tuple[str, str]]:
    """Path and node of each execution of the step."""
    if state.must_route:
        return
    path = top_path(state.step)
    if state.transition is None:
        route = first_route(graph)
        targets = route.parallel.targets if route.parallel else ()
        to_node = route.to_node
    else:
        targets = tuple(state.transition.targets or ())
        to_node = state.transition.to_node
        if state.transition.gate is not None:
            to_node = state.transition.from_node
    if targets:
        for index, target in enumerate(targets):
            yield branch_path(path, index), target
    elif to_node:
        yield path, to_node


def _taken(history: History) -> frozenset[tuple[str, str]]:
    """The pairs of nodes that the run went between."""
    pairs: set[tuple[str, str]] = set()
    if history.state is not None and history.state.forked is None:
        route = first_route(history.graph)
        targets = route.parallel.targets if route.parallel else (route.to_node,)
        pairs |= {(START, target) for target in targets}
    for view in history.steps:
        if view.transition is not None:
            sources = tuple(view.outputs) or (view.transition.from_node,)
            pairs |= {
                (source, target) for source in sources for target in _following(view.transition)
            }
    return frozenset(pairs)


def _following(transition: StepCompleted) -> tuple[str, ...]:
    return tuple(transition.targets or ()) or (transition.to_node or END,)


def _step(view: StepView) -> Step:
    transition = view.transition
    changes = {
        name: value
        for name, value in view.state.items()
        if name not in view.before or view.before[name] != value
    }
    text = pretty(changes) if changes else ""
    cut = text if len(text) <= CHANGE_CHARS else text[:CHANGE_CHARS] + "…"
    return Step(
        number=view.step,
        nodes=", ".join(view.nodes),
        following=_following_words(transition),
        why=_why(transition),
        changes=colour(cut) if cut else SafeString(""),
    )


def _following_words(transition: StepCompleted | None) -> str:
    if transition is None:
        return ""
    return ", ".join("end" if item == END else item for item in _following(transition))


def _why(transition: StepCompleted | None) -> str:
    """`goto by rule again`."""
    if transition is None:
        return ""
    reason = {"continue": "in list order", "interrupt": "a human is asked"}.get(
        transition.reason, transition.reason
    )
    rule = f" by rule {transition.rule_id}" if transition.rule_id else ""
    return f"{reason}{rule}" + (f": {transition.halt_reason}" if transition.halt_reason else "")
