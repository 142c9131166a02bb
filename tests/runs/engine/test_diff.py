"""Differences of long runs: found where they are, with work that grows with the length only."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from runs.event_types import (
    AssistantMessageCompleted,
    NodeFinished,
    NodeStarted,
    Payload,
    RunStarted,
    StepCompleted,
    TurnStarted,
    UserMessageAppended,
)
from runs.graphs.registry import register
from runs.models import Run
from runs.services.diff import RunDiff, diff_runs
from tests.runs.inspector.logs import write_run

pytestmark = pytest.mark.django_db

DOCUMENT = {
    "ir_version": "1.1.0",
    "id": "long",
    "nodes": [{"id": name, "kind": "echo"} for name in ("a", "b", "c", "d")],
    "state_schema": {"x": "int"},
}
STARTED = RunStarted(1, "goal", "", "", "", tool_schemas=[], inputs={"x": 0})


def write_steps(nodes: list[str], values: dict[int, Any] | None = None) -> Run:
    """A run that went through these nodes; some steps put out another `x` than their number."""
    version = register(DOCUMENT, source="test", actor="test")
    events: list[Payload] = [STARTED]
    for step, node in enumerate(nodes):
        path, x = str(step), (values or {}).get(step, step)
        events += [
            NodeStarted(step, path, node, "echo"),
            NodeFinished(step, path, node, {"x": x, "many": {"words": ["w"] * 20, "x": x}}, 0),
            StepCompleted(step, node, "", "", "continue"),
        ]
    return write_run(events, graph_id="long", graph_hash=version.hash)


def write_talk(turns: int, words: dict[int, str] | None = None) -> Run:
    """A run of an agent that was spoken to again and again."""
    events: list[Payload] = [RunStarted(1, "goal", "scripted", "scripted", "v0")]
    for turn in range(turns):
        said = (words or {}).get(turn, f"answer {turn}")
        events += [
            TurnStarted(f"T{turn}", b"\x00" * 32, 1),
            AssistantMessageCompleted(f"T{turn}", said, "stop", 1, 1, 0.0),
            UserMessageAppended(f"more {turn}"),
        ]
    return write_run(events)


def calls_of(work: Callable[[], object]) -> int:
    """How many functions of ours `work` calls."""
    count = 0

    def note(frame: Any, event: str, _: Any) -> None:
        nonlocal count
        count += event == "call" and "/runs/" in frame.f_code.co_filename

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def axes(diff: RunDiff) -> list[tuple[int | None, int | None, str]]:
    return [(step.step, step.against_step, step.axis) for step in diff.steps if step.axis]


def route(length: int) -> list[str]:
    return ["abcd"[step * step % 4] for step in range(length)]


def test_few_differences_of_long_runs_are_found_all_over_them():
    nodes = route(1200)
    theirs = [*nodes[:3], "d", *nodes[3:600], *nodes[602:-2], "c", *nodes[-2:]]

    diff = diff_runs(write_steps(nodes), write_steps(theirs))

    alone = [
        (step.step, step.against_step)
        for step in diff.steps
        if None in (step.step, step.against_step)
    ]
    assert len(alone) == 4
    assert len(diff.steps) == 1200 + 2


def test_runs_that_differ_only_in_what_they_put_out_are_paired_to_the_end():
    nodes = route(900)

    diff = diff_runs(write_steps(nodes, {450: -1}), write_steps(nodes))

    assert axes(diff) == [(450, 450, "state")]
    assert diff.first_divergence is not None
    assert diff.first_divergence.patch[0] == {"op": "replace", "path": "/x", "value": -1}


def test_runs_with_nothing_in_common_end_up_step_by_step_apart():
    diff = diff_runs(write_steps(["a", "b"] * 150), write_steps(["c", "d"] * 150))

    assert not diff.is_same
    assert len(diff.steps) == 600
    assert {step.axis for step in diff.steps} == {"edge_taken"}


@pytest.mark.parametrize("write", ["steps", "talk"])
def test_the_work_grows_with_the_length_of_similar_runs_and_not_with_its_square(write: str):
    def work(length: int) -> int:
        middle = length // 2
        if write == "talk":
            ours, theirs = write_talk(length), write_talk(length, {length - 2: "else"})
        else:
            nodes = route(length)
            changed = [*nodes[:2], "c", *nodes[2:middle], *nodes[middle + 1 :], "d"]
            ours, theirs = write_steps(nodes), write_steps(changed)
        return calls_of(lambda: diff_runs(ours, theirs))

    short, long = work(100), work(400)

    assert long < 5 * short


def test_the_work_for_runs_with_nothing_in_common_is_bounded_as_well():
    def work(length: int) -> int:
        ours, theirs = write_steps(["a", "b"] * length), write_steps(["c", "d"] * length)
        return calls_of(lambda: diff_runs(ours, theirs))

    short, long = work(100), work(400)

    assert long < 5 * short


def test_one_and_one_point_nought_and_true_are_different():
    diff = diff_runs(write_steps(["a", "b"], {1: 1.0}), write_steps(["a", "b"], {1: True}))

    assert axes(diff) == [(1, 1, "state")]
