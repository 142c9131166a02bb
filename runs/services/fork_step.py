"""The step that a graph is forked at, as the mutation has it: its state, facts and transition."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from project.lib.clock import now_ns
from runs.engine.graph.gates import EVIDENCE
from runs.engine.graph.runner import as_output
from runs.engine.graph.steps import route_after_gate, route_of, transition_of
from runs.errors import InvalidInput
from runs.event_types import RunForked, StepCompleted
from runs.graphs.configs import InterruptConfig
from runs.graphs.documents import Graph
from runs.graphs.routing import first_route
from runs.graphs.rules import Parallel, change_facts
from runs.graphs.state_schema import MergeConflict, Unfit
from runs.log.codec import to_log_value
from runs.services.checkpoints import History, StepView
from runs.services.mutations import Mutation

#: Of a transition that is taken over as it was.
_ROUTE = ("from_node", "to_node", "reason", "halt_reason", "targets", "join", "strategy")


@dataclass(frozen=True, slots=True)
class ChangedStep:
    """`forked` is the parent's own beginning, when it is a fork."""

    history: History
    view: StepView
    transition: StepCompleted
    mutation: Mutation
    forked: RunForked | None

    def begin(self, base: RunForked) -> RunForked:
        """`base`, with what the child begins with. Raises `InvalidInput`."""
        outputs = self._changed_outputs()
        changes = self._merged(outputs) if outputs else {}
        state = {**(self.view.before if outputs else self.view.state), **changes}
        state |= self._graph.state.check_output(self.mutation.state_overrides or {})
        begun = replace(
            base,
            node_id=self.transition.from_node,
            state=to_log_value(state),
            facts=to_log_value(self._facts(base.actor)) or None,
            output=to_log_value(changes or dict(self.view.last_output)) or None,
        )
        return self._with_route(begun, outputs)

    @property
    def _graph(self) -> Graph:
        return self.history.graph

    # What the nodes of the step put out

    def _changed_outputs(self) -> dict[str, dict[str, Any]]:
        """By node, of those that the mutation changes."""
        ran = {*self.view.outputs, *self.view.nodes}
        overrides = self.mutation.node_output_overrides or {}
        changed = {
            node_id: as_output(self._graph.nodes[node_id], value)
            for node_id, value in overrides.items()
            if node_id in ran and not (self._rule_gate and node_id == self.transition.from_node)
        }
        if self._response is not None:
            for node_id, config in self._gates.items():
                field = config.output_field
                changed[node_id] = {field: self._response} if field else {}
        return changed

    def _merged(self, changed: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
        schema = self._graph.state
        try:
            outputs = {name: schema.check_output(value) for name, value in changed.items()}
            combined = {**self.view.outputs, **outputs}
            order = self._block.targets if self._block else tuple(combined)
            return schema.merge(combined[name] for name in order if name in combined)
        except (Unfit, MergeConflict) as error:
            raise InvalidInput(f"mutation: {error}", field="mutation") from None

    # The gate of the step, if it was one

    @property
    def _response(self) -> Any:
        return (self.mutation.respond_payloads or {}).get(str(self.view.step))

    @property
    def _before(self) -> StepCompleted | None:
        """The transition that led to the step."""
        earlier = [view for view in self.history.steps if view.step < self.view.step]
        return earlier[-1].transition if earlier else None

    @property
    def _rule_gate(self) -> bool:
        return self._before is not None and self._before.gate is not None

    @property
    def _gates(self) -> dict[str, InterruptConfig]:
        """Where the step asked a human; a rule's question goes by the node before it."""
        before = self._before
        if before is not None and before.gate is not None:
            gate = route_of(self._graph, before).gate
            return {self.transition.from_node: gate} if gate is not None else {}
        configs = {node_id: self._graph.nodes[node_id].config for node_id in self.view.nodes}
        return {
            node_id: config
            for node_id, config in configs.items()
            if isinstance(config, InterruptConfig)
        }

    @property
    def _evidence(self) -> list[dict[str, Any]]:
        """The answers of humans in this step, as facts."""
        return [fact for fact in self.transition.asserted or () if fact.get("head") == EVIDENCE]

    # Facts

    def _facts(self, actor: str) -> list[dict[str, Any]]:
        """As the rules of this step found them: what they asserted, they assert again."""
        evidence = self._evidence
        if self._response is not None and self._gates:
            source = {"origin": "user", "source": f"cf:{actor}"}
            evidence = [{"head": EVIDENCE, "data": self._response, **source}]
        facts = change_facts(list(self.view.facts_before), asserted=evidence, retracted=())
        return change_facts(
            facts,
            asserted=self.mutation.facts_assert or (),
            retracted=self.mutation.facts_retract or (),
        )

    # Where it goes on

    def _with_route(self, begun: RunForked, changed: Mapping[str, Any]) -> RunForked:
        """Rules decide anew, from the state as it is now; what they did not decide stays."""
        kept = self._kept(changed)
        if kept is not None:
            names = {name: value for name, value in kept.items() if name in _ROUTE and value}
            always = {"step": begun.step, "rule_id": "", "to_node": ""}
            return replace(begun, transition=to_log_value({**always, **names}))
        failure = self._failure
        if failure is not None and self.transition.from_node not in changed:
            return replace(begun, failure=failure)
        block = self._block
        if block is None:
            return begun
        return replace(begun, targets=list(block.targets), join=block.join)

    def _kept(self, changed: Mapping[str, Any]) -> dict[str, Any] | None:
        taken = self.transition
        if self._is_inherited and not changed:
            return dict(self.forked.transition) if self.forked and self.forked.transition else None
        if self._rule_gate:
            if self._evidence or changed:
                before = self._before
                onward = route_after_gate(self._graph, before.to_node if before else "")
                return asdict(transition_of(taken.step, taken.from_node, onward, now_ns()))
            return asdict(taken)
        if changed:
            return None
        is_timed_out = self._gates and self._block is None and not self._evidence
        is_halt = taken.reason == "halt" and not taken.rule_id
        return asdict(taken) if is_halt or is_timed_out else None

    @property
    def _failure(self) -> dict[str, Any] | None:
        if self._is_inherited and self.forked is not None:
            return self.forked.failure
        return None if self.view.failure is None else asdict(self.view.failure)

    @property
    def _is_inherited(self) -> bool:
        """Whether the parent is a fork at this very step: nothing ran in it there."""
        return self.forked is not None and self.forked.step == self.view.step

    @property
    def _block(self) -> Parallel | None:
        """The branches that ran in the step, if it was a parallel one."""
        if self._is_inherited and self.forked is not None:
            if not self.forked.targets:
                return None
            targets = tuple(self.forked.targets)
            return Parallel(kind="parallel", targets=targets, join=self.forked.join)
        if self.view.step == 0:
            return first_route(self._graph).parallel
        before = self._before
        return route_of(self._graph, before).parallel if before is not None else None
