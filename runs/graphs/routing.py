"""What comes after a step: pure, from the graph, the state, the facts and the node that ended."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runs.graphs.documents import Graph
from runs.graphs.rules import (
    Action,
    Assert,
    Fact,
    Goto,
    Halt,
    Interrupt,
    Parallel,
    Retract,
    Retry,
    Rule,
    matches,
)

#: A retry waits no longer than this, however often it doubled.
LONGEST_BACKOFF_MS = 300_000


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a node failed. `attempts` counts its failures in a row, this one included."""

    error: str
    error_type: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Route:
    """Where a run goes. `to_node` is empty at the end and where several nodes come next."""

    reason: str  # continue, goto, halt, parallel, interrupt
    to_node: str = ""
    rule_id: str = ""
    halt_reason: str = ""
    parallel: Parallel | None = None
    gate: Interrupt | None = None
    delay_ms: int = 0
    asserted: tuple[Fact, ...] = ()
    retracted: tuple[Fact, ...] = ()

    @property
    def is_end(self) -> bool:
        return not self.to_node and self.parallel is None and self.gate is None


@dataclass(slots=True)
class _Winners:
    """The first action of each kind among the rules that apply, with the rule's id."""

    interrupt: tuple[Interrupt, str] | None = None
    halt: tuple[Halt, str] | None = None
    goto: tuple[Goto | Retry, str] | None = None
    parallel: tuple[Parallel, str] | None = None
    asserted: list[Fact] = field(default_factory=list)
    retracted: list[Fact] = field(default_factory=list)


def values_for(
    state: Mapping[str, Any], node_id: str, facts: Sequence[Fact], failure: Failure | None = None
) -> dict[str, Any]:
    """The names that conditions and templates see."""

    def has_fact(head: str, **slots: Any) -> bool:
        return any(matches(fact, {**slots, "head": head}) for fact in facts)

    values = {**state, "node": node_id, "facts": list(facts), "has_fact": has_fact}
    if failure is not None:
        values |= {
            "error": failure.error,
            "error_type": failure.error_type,
            "attempts": failure.attempts,
        }
    return values


def first_route(graph: Graph) -> Route:
    """Where a run begins."""
    return _into(graph, Route("continue", graph.first_node))


def route(graph: Graph, node_id: str, state: Mapping[str, Any], facts: Sequence[Fact]) -> Route:
    """After a node that succeeded. Raises `ExpressionInvalid` for a rule that cannot be told."""
    rules = _asked(graph, node_id, "success")
    values = values_for(state, node_id, facts) if rules else {}
    winners = _winners(rule for rule in rules if rule.applies(node_id, values))
    following = graph.next_in_list(node_id)
    return _into(graph, _choose(winners, following, None) or _continue(winners, following))


def route_failure(
    graph: Graph, node_id: str, state: Mapping[str, Any], facts: Sequence[Fact], failure: Failure
) -> Route | None:
    """After a node that failed; `None` when no rule takes care of it."""
    rules = _asked(graph, node_id, "failure")
    values = values_for(state, node_id, facts, failure) if rules else {}
    winners = _winners(rule for rule in rules if rule.applies(node_id, values))
    chosen = _choose(winners, graph.next_in_list(node_id), failure)
    return None if chosen is None else _into(graph, chosen)


def route_after_parallel(graph: Graph, block: Parallel) -> Route:
    """Branches that are done meet at the join; without one, flow goes on after the last target."""
    if block.join:
        return _into(graph, Route("goto", block.join))
    ids = list(graph.nodes)
    return _into(graph, Route("continue", graph.next_in_list(max(block.targets, key=ids.index))))


def goto(graph: Graph, target: str) -> Route:
    """Flow is sent to a node by something else than a rule."""
    return _into(graph, Route("goto", target))


def halt(reason: str) -> Route:
    return Route("halt", halt_reason=reason)


def _asked(graph: Graph, node_id: str, after: str) -> list[Rule]:
    """The rules whose conditions count after this node; most nodes of most graphs have none."""
    return [rule for rule in graph.rules if rule.after == after and rule.node_id in (None, node_id)]


def _winners(rules: Iterator[Rule]) -> _Winners:
    winners = _Winners()
    for rule in rules:
        for action in rule.then:
            _take(winners, action, rule.id)
    return winners


def _take(winners: _Winners, action: Action, rule_id: str) -> None:
    match action:
        case Interrupt():
            winners.interrupt = winners.interrupt or (action, rule_id)
        case Halt():
            winners.halt = winners.halt or (action, rule_id)
        case Goto() | Retry():
            winners.goto = winners.goto or (action, rule_id)
        case Parallel():
            winners.parallel = winners.parallel or (action, rule_id)
        case Assert():
            winners.asserted.append(action.asserted)
        case Retract():
            winners.retracted.append(action.pattern)


def _choose(winners: _Winners, following: str, failure: Failure | None) -> Route | None:
    facts = (tuple(winners.asserted), tuple(winners.retracted))
    if winners.interrupt is not None:
        gate, rule_id = winners.interrupt
        return _with(Route("interrupt", following, rule_id, gate=gate), *facts)
    if winners.halt is not None:
        end, rule_id = winners.halt
        return _with(Route("halt", "", rule_id, end.reason), *facts)
    if winners.goto is not None:
        jump, rule_id = winners.goto
        delay = _delay_ms(jump, failure)
        if delay is not None:
            return _with(Route("goto", jump.target, rule_id, delay_ms=delay), *facts)
    if winners.parallel is not None:
        block, rule_id = winners.parallel
        return _with(Route("parallel", "", rule_id, parallel=block), *facts)
    return None


def _delay_ms(jump: Goto | Retry, failure: Failure | None) -> int | None:
    """How long to wait before the jump; `None` when the attempts are used up."""
    if isinstance(jump, Goto):
        return 0
    if failure is None:
        return jump.backoff_ms
    if failure.attempts >= jump.max_attempts:
        return None
    doubled: int = jump.backoff_ms * 2 ** min(failure.attempts - 1, 30)
    return min(doubled, max(jump.backoff_ms, LONGEST_BACKOFF_MS))


def _continue(winners: _Winners, following: str) -> Route:
    return Route(
        "continue",
        following,
        asserted=tuple(winners.asserted),
        retracted=tuple(winners.retracted),
    )


def _with(chosen: Route, asserted: tuple[Fact, ...], retracted: tuple[Fact, ...]) -> Route:
    return Route(
        chosen.reason,
        chosen.to_node,
        chosen.rule_id,
        chosen.halt_reason,
        chosen.parallel,
        chosen.gate,
        chosen.delay_ms,
        asserted,
        retracted,
    )


def _into(graph: Graph, chosen: Route) -> Route:
    """A static block takes over where flow reaches its first target."""
    if not chosen.to_node or chosen.gate is not None:
        return chosen
    for block in graph.blocks:
        if block.targets[0] == chosen.to_node:
            return Route(
                "parallel",
                "",
                chosen.rule_id,
                parallel=block,
                delay_ms=chosen.delay_ms,
                asserted=chosen.asserted,
                retracted=chosen.retracted,
            )
    return chosen
