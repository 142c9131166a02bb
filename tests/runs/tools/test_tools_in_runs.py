"""The built-in tools and MCP tools as runs use them: recorded, validated, replayed."""

import json

import pytest

from runs.tools.mcp.config import load_config
from runs.tools.mcp.servers import McpServers
from runs.tools.registry import get_registry
from tests.runs.engine.conftest import Harness, harness
from tests.runs.tools.mcp_toolbox import make_server
from tests.runs.tools.servers import AsgiThread

__all__ = ["harness"]  # the fixture

pytestmark = pytest.mark.django_db(transaction=True)


def script(*calls: tuple[str, dict[str, object]]) -> str:
    lines = [f"!tool {name} {json.dumps(arguments)}" for name, arguments in calls]
    return "\n".join([*lines, "!turn", "!say done"])


async def outcomes(harness: Harness, run_id: str) -> list[object]:
    """Results and errors of the calls, in the order the model asked for them."""
    events = await harness.events(run_id)
    asked = [event.data["call_id"] for event in events if event.kind_name == "ToolCallScheduled"]
    found = {
        event.data["call_id"]: event.data.get("result", event.data.get("error"))
        for event in events
        if event.kind_name in ("ToolCallCompleted", "ToolCallFailed")
    }
    return [found[call_id] for call_id in asked]


async def test_a_run_uses_the_built_in_tools_in_parallel_and_replays_clean(harness, files_dir):
    (files_dir / "a.txt").write_text("before")
    goal = script(
        ("calculate", {"expression": "6 * 7"}),
        ("calculate", {"expr": "6 * 7"}),
        ("read_file", {"path": "a.txt"}),
        ("read_file", {"path": "../a.txt"}),
        ("fetch_url", {"url": "http://127.0.0.1/"}),
        ("list_files", {}),
        ("now", {}),
    )

    run = await harness.run(goal)
    (files_dir / "a.txt").write_text("after")
    report = await harness.replay(run.id)

    results = await outcomes(harness, run.id)
    assert results[:6] == [
        {"result": 42},
        "calculate: expression: is required",
        {"contents": "before"},
        "'../a.txt': a path may not contain ..",
        "requests to private or internal addresses are not allowed",
        {"files": [{"name": "a.txt", "type": "file", "size": 6}], "truncated": False},
    ]
    assert run.final_text == "done"
    assert (await harness.validate(run.id)).status == "valid"
    assert report.is_clean


async def test_a_run_uses_an_mcp_tool_and_replays_while_the_server_is_gone(harness):
    registry = get_registry()
    with AsgiThread(make_server().streamable_http_app()) as server:
        entry = {"url": f"http://127.0.0.1:{server.port}/mcp", "prefix": "box_"}
        servers = McpServers(load_config(json.dumps({"box": entry})), registry)
        await servers.start(patience_seconds=30)
        run = await harness.run(script(("box_add", {"a": 2, "b": 3}), ("box_soft_error", {})))
        await servers.stop()

    report = await harness.replay(run.id)
    registry.replace("MCP server box", [])

    assert await outcomes(harness, run.id) == [{"result": 5}, "out of stock"]
    assert report.is_clean


async def test_a_run_whose_owner_may_start_no_runs_starts_none(harness):
    run = await harness.run(script(("start_run", {"goal": "child work"})))

    assert await outcomes(harness, run.id) == ["not permitted: needs runs:start"]
