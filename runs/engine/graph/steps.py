"""One step of a graph: a node, a gate or a set of branches, and the route that follows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from runs.engine.graph.branches import Branches
from runs.engine.graph.outcomes import (
    Failed,
    Finished,
    Outcome,
    Stopped,
    WaitsForInput,
    WaitsUntil,
)
from runs.engine.graph.runner import NodeRunner
from runs.engine.graph.task import Frame, Task
from runs.event_types import StepCompleted
from runs.graphs.documents import Graph, Node
from runs.graphs.expressions import ExpressionInvalid
from runs.graphs.routing import (
    Failure,
    Route,
    goto,
    halt,
    route,
    route_after_parallel,
    route_failure,
)
from runs.graphs.rules import Interrupt, Parallel, change_facts
from runs.graphs.state_schema import MergeConflict


@dataclass(frozen=True, slots=True)
class Taken:
    """A step that is done: the transition to record, and the route it stands for."""

    transition: StepCompleted
    route: Route


StepOutcome = Taken | Failed | WaitsForInput | WaitsUntil | Stopped


def route_of(graph: Graph, transition: StepCompleted) -> Route:
    """The route that a recorded transition stands for."""
    parallel = gate = None
    if transition.targets:
        parallel = Parallel(
            kind="parallel",
            targets=tuple(transition.targets),
            join=transition.join,
            strategy=transition.strategy or "all",
            allow_effects=transition.allow_effects,
        )
    if transition.gate is not None:
        gate = Interrupt.model_validate(transition.gate)
    return Route(
        transition.reason,
        transition.to_node,
        transition.rule_id,
        transition.halt_reason,
        parallel,
        gate,
    )


def route_after_gate(graph: Graph, to_node: str) -> Route:
    """Where flow goes on once the question of a rule is answered."""
    if not to_node:
        return Route("continue")
    return replace(goto(graph, to_node), reason="continue")


def transition_of(
    step: int,
    from_node: str,
    taken: Route,
    at_ns: int,
    *,
    path: str = "",
    merged: dict[str, Any] | None = None,
    facts: Sequence[dict[str, Any]] = (),
) -> StepCompleted:
    """The event of a route that is taken at `at_ns`. `facts` are what the step itself asserted."""
    block = taken.parallel
    return StepCompleted(
        step,
        from_node,
        taken.to_node,
        taken.rule_id,
        taken.reason,
        path=path,
        halt_reason=taken.halt_reason,
        targets=list(block.targets) if block else None,
        join=block.join if block else "",
        strategy=block.strategy if block else "",
        allow_effects=block.allow_effects if block else False,
        gate=_gate(taken),
        not_before_ns=at_ns + taken.delay_ms * 1_000_000 if taken.delay_ms else 0,
        merged=merged,
        asserted=[*facts, *taken.asserted] or None,
        retracted=list(taken.retracted) or None,
    )


def _gate(taken: Route) -> dict[str, Any] | None:
    if taken.gate is None:
        return None
    return taken.gate.model_dump(mode="json", by_alias=True, exclude_none=True)


class StepRunner:
    """Takes steps of a frame. What the log has of a step already is not done again."""

    def __init__(self, runner: NodeRunner) -> None:
        self.runner = runner

    async def take(
        self, frame: Frame, current: Route, *, step: int, path: str, last_node: str
    ) -> StepOutcome:
        """Execute what `current` leads to. `path` is the step's; `last_node` ran before it."""
        if current.gate is not None:
            return await self._gate(frame, current, current.gate, step, path, last_node)
        if current.parallel is not None:
            return await self._branches(frame, current.parallel, step, path)
        node = frame.graph.nodes[current.to_node]
        outcome = await self.runner.run(Task(node, path, step, frame))
        return self._after_node(frame, node, outcome, step)

    def _transition(
        self, frame: Frame, step: int, from_node: str, taken: Route, **changes: Any
    ) -> StepCompleted:
        now = self.runner.journal.now_ns()
        return transition_of(step, from_node, taken, now, path=frame.prefix, **changes)

    def _after_node(self, frame: Frame, node: Node, outcome: Outcome, step: int) -> StepOutcome:
        if isinstance(outcome, Finished):
            state = {**frame.state, **outcome.output}
            facts = change_facts(frame.facts, asserted=outcome.facts, retracted=())
            try:
                following = self._choose(frame.graph, node.id, outcome, state, facts)
            except ExpressionInvalid as error:
                return Failed(f"a rule after {node.id} cannot be evaluated: {error}", "rule")
            return Taken(
                self._transition(frame, step, node.id, following, facts=outcome.facts),
                following,
            )
        if isinstance(outcome, Failed):
            return self._after_failure(frame, node.id, outcome, step)
        return outcome

    def _choose(
        self, graph: Graph, node_id: str, outcome: Finished, state: Any, facts: Any
    ) -> Route:
        if outcome.halt_reason is not None:
            return halt(outcome.halt_reason)
        if outcome.goto is not None:
            return goto(graph, outcome.goto)
        return route(graph, node_id, state, facts)

    def _after_failure(
        self, frame: Frame, node_id: str, failed: Failed, step: int
    ) -> Taken | Failed:
        if failed.is_final:
            return failed
        attempts = self.runner.state.failures_in_a_row.get((frame.prefix, node_id), 1)
        failure = Failure(failed.error, failed.error_type, attempts)
        try:
            following = route_failure(frame.graph, node_id, frame.state, frame.facts, failure)
        except ExpressionInvalid as error:
            return Failed(f"a rule after {node_id} cannot be evaluated: {error}", "rule")
        if following is None:
            return failed
        return Taken(self._transition(frame, step, node_id, following, merged={}), following)

    async def _gate(
        self,
        frame: Frame,
        current: Route,
        gate: Interrupt,
        step: int,
        path: str,
        last_node: str,
    ) -> StepOutcome:
        """A rule's question. No rule is asked about the answer: it would only ask again."""
        node = Node(last_node, "interrupt", gate.gate)
        outcome = await self.runner.run(Task(node, path, step, frame))
        if not isinstance(outcome, Finished):
            return outcome
        if outcome.goto is not None:
            following = goto(frame.graph, outcome.goto)
        else:
            following = route_after_gate(frame.graph, current.to_node)
        return Taken(
            self._transition(frame, step, last_node, following, facts=outcome.facts),
            following,
        )

    # Branches

    async def _branches(self, frame: Frame, block: Parallel, step: int, path: str) -> StepOutcome:
        run = Branches(self.runner, frame, block, step, path)
        outcomes = await run.execute()
        waiting = run.waiting()
        if waiting is not None:
            return waiting
        failed = run.failure()
        if failed is not None:
            target, failure = failed
            return self._after_failure(frame, target, failure, step)
        try:
            merged = frame.graph.state.merge(
                outcome.output for outcome in outcomes if isinstance(outcome, Finished)
            )
        except MergeConflict as error:
            return Failed(str(error), "merge_conflict")
        facts = [fact for item in outcomes if isinstance(item, Finished) for fact in item.facts]
        following = route_after_parallel(frame.graph, block)
        return Taken(
            self._transition(frame, step, block.targets[-1], following, merged=merged, facts=facts),
            following,
        )
