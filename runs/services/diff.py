"""How two runs differ, step by step: aligned by the nodes they ran, volatile values masked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jsonpatch

from runs.models import Run
from runs.services.alignment import align
from runs.services.checkpoints import StepView, load_history
from runs.services.masking import Masked


@dataclass(frozen=True, slots=True)
class StepDiff:
    """One pair of steps; a side is `None` where the other run has a step more.

    `patch` (RFC 6902) leads from the state of `against` to that of the run. `axis` is the first
    of state, node_output and edge_taken that differs, "" when nothing does.
    """

    step: int | None
    against_step: int | None
    nodes: tuple[str, ...]
    axis: str
    patch: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class RunDiff:
    run_id: str
    against: str
    steps: list[StepDiff]
    statuses: tuple[str, str]

    @property
    def is_same(self) -> bool:
        return not any(step.axis for step in self.steps) and len(set(self.statuses)) == 1

    @property
    def first_divergence(self) -> StepDiff | None:
        return next((step for step in self.steps if step.axis), None)


def diff_runs(run: Run, against: Run) -> RunDiff:
    """Raises `GraphNotFound` when the graph of one of them is gone."""
    ours, theirs = load_history(run).steps, load_history(against).steps
    # A fork's log begins at the step after which it left its parent.
    if ours and run.parent_id == against.pk:
        theirs = tuple(view for view in theirs if view.step >= ours[0].step)
    elif theirs and against.parent_id == run.pk:
        ours = tuple(view for view in ours if view.step >= theirs[0].step)
    return RunDiff(run.id, against.id, _aligned(ours, theirs), (run.status, against.status))


def _aligned(ours: Sequence[StepView], theirs: Sequence[StepView]) -> list[StepDiff]:
    masked = Masked()
    steps: list[StepDiff] = []
    at_ours = at_theirs = 0
    pairs = align([view.nodes for view in theirs], [view.nodes for view in ours])
    for their_index, our_index in [*pairs, (len(theirs), len(ours))]:
        steps += _alone(theirs[at_theirs:their_index], is_ours=False)
        steps += _alone(ours[at_ours:our_index], is_ours=True)
        if our_index < len(ours) and their_index < len(theirs):
            steps.append(_compared(ours[our_index], theirs[their_index], masked))
        at_ours, at_theirs = our_index + 1, their_index + 1
    return steps


def _alone(views: Sequence[StepView], *, is_ours: bool) -> list[StepDiff]:
    """Steps that the other run has no counterpart of."""
    return [
        StepDiff(
            view.step if is_ours else None,
            None if is_ours else view.step,
            view.nodes,
            "edge_taken",
            [],
        )
        for view in views
    ]


def _compared(ours: StepView, theirs: StepView, masked: Masked) -> StepDiff:
    mine, other = masked(ours.state), masked(theirs.state)
    patch: list[dict[str, Any]] = []
    axis = ""
    if mine is not other:
        axis, patch = "state", jsonpatch.make_patch(other, mine).patch
    elif masked(ours.outputs) is not masked(theirs.outputs):
        axis = "node_output"
    elif _edge(ours) != _edge(theirs):
        axis = "edge_taken"
    return StepDiff(ours.step, theirs.step, ours.nodes, axis, patch)


def _edge(view: StepView) -> tuple[Any, ...]:
    taken = view.transition
    if taken is None:
        return ()
    return (taken.reason, taken.to_node, taken.rule_id, tuple(taken.targets or ()))
