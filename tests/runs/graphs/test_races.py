"""Branches of which one wins must leave nothing behind: what the door sees of it."""

from typing import Any

import pytest

from runs.graphs.problems import GraphInvalid, Problem
from runs.graphs.registry import register
from runs.models import GraphVersion

pytestmark = pytest.mark.django_db

WRITE = {
    "id": "keep",
    "kind": "write_artifact",
    "config": {"content_field": "goal", "content_type": "text/plain"},
}
FETCH = {"id": "fetch", "kind": "tool", "config": {"tool": "fetch_url"}}
CALCULATE = {"id": "sum", "kind": "tool", "config": {"tool": "calculate"}}


def graph(graph_id: str, *nodes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"ir_version": "1.1.0", "id": graph_id, "nodes": list(nodes), **more}


def map_of(node: dict[str, Any]) -> dict[str, Any]:
    inner = {"kind": node["kind"], "config": node["config"]}
    return {"id": "each", "kind": "map", "config": {"over": "items", "node": inner}}


def subgraph(graph_id: str) -> dict[str, Any]:
    return {"id": "sub", "kind": "subgraph", "config": {"graph": graph_id}}


def agent(*tools: str) -> dict[str, Any]:
    return {"id": "clerk", "kind": "agent", "config": {"tools": list(tools)}}


def racing(branch: dict[str, Any], strategy: str, **more: Any) -> dict[str, Any]:
    targets = ["other", branch["id"]]
    action = {"kind": "parallel", "targets": targets, "strategy": strategy, "join": "end", **more}
    nodes = [{"id": name, "kind": "echo"} for name in ("begin", "other", "end")]
    rules = [{"id": "fan", "when": {"node": "begin"}, "then": [action]}]
    return graph("racing", *nodes, branch, rules=rules)


def put(document: dict[str, Any]) -> None:
    register(document, source="test", actor="test")


def problems(document: dict[str, Any]) -> tuple[Problem, ...]:
    with pytest.raises(GraphInvalid) as refusal:
        put(document)
    return refusal.value.problems


@pytest.fixture(autouse=True)
def _inner_graphs(db: None) -> None:
    put(graph("writing", {"id": "a", "kind": "echo"}, WRITE))
    put(graph("around", subgraph("writing")))
    put(graph("pure", CALCULATE, map_of(CALCULATE)))


@pytest.mark.parametrize("strategy", ["any", "race", "quorum:1"])
@pytest.mark.parametrize(
    ("branch", "effect"),
    [
        (WRITE, "write_artifact"),
        (FETCH, "fetch_url"),
        (agent("calculate", "attach"), "attach"),
        (agent("*"), "attach"),
        (map_of(FETCH), "fetch_url"),
        (subgraph("writing"), "write_artifact in writing"),
        (subgraph("around"), "write_artifact in writing in around"),
        (map_of(subgraph("around")), "write_artifact in writing in around"),
        (subgraph("agent"), "attach in agent"),
    ],
    ids=lambda value: value if isinstance(value, str) else value["kind"],
)
def test_an_effect_behind_a_branch_is_refused_wherever_it_hides(branch, effect, strategy):
    [problem] = problems(racing(branch, strategy))

    assert problem.pointer == "/rules/0/then/0/targets/1"
    assert "may have had its effect already" in problem.message
    assert problem.actual == effect
    assert not GraphVersion.objects.filter(graph_id="racing").exists()


def test_a_block_of_the_document_is_looked_at_like_a_rule():
    nodes = [{"id": "other", "kind": "echo"}, subgraph("writing")]
    block = {"targets": ["other", "sub"], "strategy": "any"}

    [problem] = problems(graph("racing", *nodes, parallel=[block]))

    assert problem.pointer == "/parallel/0/targets/1"


@pytest.mark.parametrize(
    "document",
    [
        racing(subgraph("writing"), "all"),
        racing(subgraph("writing"), "quorum:2"),
        racing(subgraph("writing"), "race", allow_effects=True),
        racing(subgraph("pure"), "race"),
        racing(agent("calculate"), "race"),
        racing(subgraph("not-yet-there"), "race"),
        racing(subgraph("racing-too"), "race"),
    ],
    ids=["all", "a quorum of all", "allowed", "pure", "pure agent", "unknown", "in circles"],
)
def test_what_leaves_nothing_behind_or_may_is_taken(document):
    put(graph("racing-too", subgraph("racing"), {"id": "end", "kind": "echo"}))

    put(document)

    assert GraphVersion.objects.filter(graph_id="racing").exists()
