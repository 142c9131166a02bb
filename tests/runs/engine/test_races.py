"""Effects in branches of which one wins, where only the run can see them: they are refused."""

from typing import Any

import pytest

from runs.models import ArtifactRef
from runs.tools.base import Tool
from tests.runs.engine.test_graphs import fold, graph, rule

pytestmark = pytest.mark.django_db(transaction=True)

OBJECT = {"type": "object", "properties": {}, "additionalProperties": False}
LATE = {"id": "late", "kind": "tool", "config": {"tool": "late"}}
AGENT = {
    "id": "clerk",
    "kind": "agent",
    "config": {"prompt": "!tool late {}\n!turn\n!say done", "tools": ["late"]},
}
KEEP = {
    "id": "keep",
    "kind": "write_artifact",
    "config": {"content_field": "goal", "content_type": "text/plain"},
}


class LateTool:
    """A tool with an effect that is there only after its graph was registered."""

    def __init__(self) -> None:
        self.calls = 0

    def tool(self) -> Tool:
        return Tool("late", "Late.", OBJECT, self._execute, side_effects="external")

    async def _execute(self, arguments: dict[str, Any], context: Any) -> str:
        self.calls += 1
        return "done"


def racing(branch: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A branch against one that never wins."""
    action = {"kind": "parallel", "targets": ["other", branch["id"]], "join": "end"}
    return graph(
        [
            {"id": "begin", "kind": "echo"},
            {"id": "other", "kind": "llm", "config": {"prompt": "!fail auth"}},
            branch,
            {"id": "end", "kind": "echo"},
        ],
        [rule("fan", {"node": "begin"}, {**action, "strategy": "race", **more})],
    )


def around(node: dict[str, Any]) -> dict[str, Any]:
    """A map whose items are that node."""
    inner = {"kind": node["kind"], "config": node["config"]}
    return {"id": "each", "kind": "map", "config": {"over": "items", "node": inner}}


SUBGRAPH = {"id": "sub", "kind": "subgraph", "config": {"graph": "inner"}}


@pytest.mark.parametrize("branch", [LATE, around(LATE), SUBGRAPH, around(SUBGRAPH)])
async def test_a_tool_that_came_later_is_not_called_in_a_race(harness, register_tool, branch):
    late = LateTool()
    harness.add_document(graph([LATE]) | {"id": "inner"})
    harness.add_document(racing(branch))
    register_tool(late.tool())

    run = await harness.run("go", graph_id="test", inputs={"items": [1]})

    assert (run.status, late.calls) == ("failed", 0)
    failed = [e.data for e in await harness.events(run.id) if e.kind_name == "NodeFailed"]
    assert "effect_in_race" in {data["error_type"] for data in failed}


async def test_the_model_of_an_agent_in_a_race_is_told_that_its_tool_may_not_run(
    harness, register_tool
):
    late = LateTool()
    harness.add_document(graph([AGENT, {"id": "end", "kind": "echo"}]) | {"id": "inner"})
    harness.add_document(racing(SUBGRAPH))
    register_tool(late.tool())

    run = await harness.run("go", graph_id="test")

    assert (run.status, late.calls) == ("done", 0)
    [failed] = [e.data for e in await harness.events(run.id) if e.kind_name == "ToolCallFailed"]
    assert failed["error_type"] == "effect_in_race"


async def test_a_subgraph_that_writes_only_since_its_newest_version_is_refused(harness):
    harness.add_document(graph([{"id": "a", "kind": "echo"}]) | {"id": "inner"})
    harness.add_document(racing(SUBGRAPH))
    harness.add_document(graph([KEEP]) | {"id": "inner"})

    run = await harness.run("go", graph_id="test")

    assert run.status == "failed"
    assert not await ArtifactRef.objects.filter(run_id=run.id).aexists()


async def test_effects_that_the_document_allows_happen(harness, register_tool):
    late = LateTool()
    register_tool(late.tool())
    harness.add_document(graph([LATE]) | {"id": "inner"})
    harness.add_document(racing(SUBGRAPH, allow_effects=True))

    run = await harness.run("go", graph_id="test")

    assert (run.status, late.calls) == ("done", 1), run.error
    assert (await fold(harness, run)).step == 3
