"""How two runs differ, step by step: aligned by the nodes they ran, volatile values masked."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import takewhile
from typing import Any

import jsonpatch
import orjson

from runs.log.events import to_json
from runs.models import Run
from runs.services.checkpoints import StepView, load_history

MASK = "<volatile>"

#: Beyond so many pairs of steps that could belong together none are looked for: it would take
#: seconds that others wait for.
MAX_PAIRS = 250_000

#: Keys whose values name one execution, not what it did.
_VOLATILE_KEYS = re.compile(r"(?:.*_)?(?:run_id|call_id|turn_id|ts|timestamp|duration_ms)|.*_at")
_VOLATILE_TEXT = re.compile(
    r"[0-7][0-9A-HJKMNP-TV-Z]{25}"  # a ULID
    r"|(?:cf-)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"  # a UUID
    r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)"  # a time
)


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
    """Most runs begin and end alike; only what lies between is looked at pair by pair."""
    begin = _count_alike(zip(ours, theirs, strict=False))
    end = _count_alike(zip(reversed(ours[begin:]), reversed(theirs[begin:]), strict=False))
    ours_end, theirs_end = len(ours) - end, len(theirs) - end
    return [
        *_in_pairs(ours[:begin], theirs[:begin]),
        *_between(ours[begin:ours_end], theirs[begin:theirs_end]),
        *_in_pairs(ours[ours_end:], theirs[theirs_end:]),
    ]


def _count_alike(pairs: Iterable[tuple[StepView, StepView]]) -> int:
    """How many pairs ran the same nodes before the first that did not."""
    return sum(1 for _ in takewhile(lambda pair: pair[0].nodes == pair[1].nodes, pairs))


def _between(ours: Sequence[StepView], theirs: Sequence[StepView]) -> list[StepDiff]:
    if len(ours) * len(theirs) > MAX_PAIRS:
        return [*_alone(theirs, is_ours=False), *_alone(ours, is_ours=True)]
    matcher = SequenceMatcher(
        None, [view.nodes for view in theirs], [view.nodes for view in ours], autojunk=False
    )
    steps: list[StepDiff] = []
    for tag, from_theirs, to_theirs, from_ours, to_ours in matcher.get_opcodes():
        if tag == "equal":
            steps += _in_pairs(ours[from_ours:to_ours], theirs[from_theirs:to_theirs])
            continue
        steps += _alone(theirs[from_theirs:to_theirs], is_ours=False)
        steps += _alone(ours[from_ours:to_ours], is_ours=True)
    return steps


def _in_pairs(ours: Sequence[StepView], theirs: Sequence[StepView]) -> list[StepDiff]:
    return [_compared(mine, other) for mine, other in zip(ours, theirs, strict=True)]


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


def _compared(ours: StepView, theirs: StepView) -> StepDiff:
    mine, other = _plain(ours.state), _plain(theirs.state)
    patch: list[dict[str, Any]] = jsonpatch.make_patch(other, mine).patch
    axis = ""
    if patch:
        axis = "state"
    elif _plain(ours.outputs) != _plain(theirs.outputs):
        axis = "node_output"
    elif _edge(ours) != _edge(theirs):
        axis = "edge_taken"
    return StepDiff(ours.step, theirs.step, ours.nodes, axis, patch)


def _edge(view: StepView) -> tuple[Any, ...]:
    taken = view.transition
    if taken is None:
        return ()
    return (taken.reason, taken.to_node, taken.rule_id, tuple(taken.targets or ()))


def _plain(value: Any) -> Any:
    """As JSON, with what always differs masked."""
    return _masked(orjson.loads(to_json(value)))


def _masked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: MASK if _VOLATILE_KEYS.fullmatch(key) else _masked(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_masked(item) for item in value]
    return _VOLATILE_TEXT.sub(MASK, value) if isinstance(value, str) else value
