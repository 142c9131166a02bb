"""Tools of real MCP servers, over both transports."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from runs.tools.base import ToolError
from runs.tools.mcp.config import load_config
from runs.tools.mcp.servers import McpServers
from runs.tools.mcp.tools import recorded_tool
from runs.tools.registry import ToolRegistry
from runs.tools.typed import validate_arguments
from tests.runs.tools.conftest import RecordingContext
from tests.runs.tools.mcp_toolbox import make_server
from tests.runs.tools.servers import AsgiThread

TOOLBOX = str(Path(__file__).with_name("mcp_toolbox.py"))
NAMES = [
    "add", "die", "fail", "files_read_v2", "greet", "hang", "long", "picture", "secret",
    "soft_error",
]  # fmt: skip


@pytest.fixture
def registry():
    return ToolRegistry()


@pytest.fixture
async def connect(registry, monkeypatch, tmp_path):
    """Connects servers given as raw configuration; closes them afterwards."""
    monkeypatch.setenv("COUNTER_FILE", str(tmp_path / "calls"))
    opened = []

    async def connect(**entries: dict[str, Any]) -> McpServers:
        servers = McpServers(load_config(json.dumps(entries)), registry)
        opened.append(servers)
        await servers.start(patience_seconds=30)
        return servers

    yield connect
    for servers in opened:
        await servers.stop()


def stdio(**options: Any) -> dict[str, Any]:
    counter = {"COUNTER_FILE": "${COUNTER_FILE}"}
    env = counter | options.pop("env", {})
    return {"command": sys.executable, "args": [TOOLBOX], "env": env, **options}


@pytest.fixture
def http_toolbox():
    with AsgiThread(make_server().streamable_http_app()) as server:
        yield {"url": f"http://127.0.0.1:{server.port}/mcp"}


@pytest.fixture(params=["stdio", "http"])
def toolbox(request):
    """The configuration of a running toolbox, over either transport."""
    return stdio() if request.param == "stdio" else request.getfixturevalue("http_toolbox")


def executed(tmp_path: Path) -> list[str]:
    path = tmp_path / "calls"
    return path.read_text().split() if path.exists() else []


async def test_tools_are_listed_sorted_with_schemas_and_honest_marks(connect, registry, toolbox):
    await connect(box=toolbox)

    tools = registry.all()
    assert [tool.name for tool in tools] == NAMES
    add = registry.resolve("mcp-box.add@1.0")
    assert (add.description, add.side_effects, add.idempotent) == (
        "Add two numbers.",
        "external",
        False,
    )
    assert add.schema["properties"]["a"]["type"] == "integer"
    assert registry.resolve("secret").description == "Only a title"


async def test_structured_content_is_the_result(connect, registry, toolbox, context):
    await connect(box=toolbox)
    add = registry.resolve("add")

    result = await add.execute(validate_arguments(add, {"a": 2, "b": 3}), context)

    assert result == {"result": 5}


async def test_other_content_is_passed_on_as_it_came(connect, registry, toolbox, context):
    await connect(box=toolbox)

    result = await registry.resolve("greet").execute({"name": "Ada"}, context)

    assert result == {"content": [{"type": "text", "text": "hello Ada"}]}


async def test_text_only_gives_the_texts_and_refuses_the_rest(
    connect, registry, context, http_toolbox
):
    await connect(box=http_toolbox | {"text_only": True})

    texts = await registry.resolve("greet").execute({"name": "Ada"}, context)
    with pytest.raises(ToolError, match="not text"):
        await registry.resolve("picture").execute({}, context)

    assert texts == {"text": ["hello Ada"]}


async def test_an_answer_that_is_too_large_is_an_error_and_never_cut(
    connect, registry, context, http_toolbox
):
    await connect(box=http_toolbox | {"max_output_bytes": 1000})

    with pytest.raises(ToolError, match="larger than 1,000 bytes"):
        await registry.resolve("long").execute({"size": 1000}, context)


async def test_a_call_is_recorded_under_the_remote_name_and_replayed_without_the_server(
    connect, registry, toolbox, context, tmp_path
):
    servers = await connect(box={**toolbox, "prefix": "box_"})
    add = registry.resolve("box_add")
    live = await add.execute({"a": 2, "b": 3}, context)
    calls = executed(tmp_path)
    await servers.stop()

    replayed = await add.execute({"a": 2, "b": 3}, context.replay())

    assert replayed == live == {"result": 5}
    assert context.recorded == [("mcp/add", {"result": b'{"result":5}'})]
    assert executed(tmp_path) == calls


async def test_a_stand_in_replays_what_a_server_long_gone_answered(
    connect, registry, context, http_toolbox
):
    await connect(box=http_toolbox)
    await registry.resolve("add").execute({"a": 2, "b": 3}, context)

    replayed = await recorded_tool("add", "add").execute({"a": 2, "b": 3}, context.replay())

    assert replayed == {"result": 5}


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("fail", {"why": "no paper"}, "Error executing tool fail"),
        ("soft_error", {}, "out of stock"),
    ],
)
async def test_the_servers_own_errors_reach_the_model_and_are_replayed(
    connect, registry, toolbox, context, tool, arguments, message, tmp_path
):
    servers = await connect(box=toolbox)
    with pytest.raises(ToolError, match=message):
        await registry.resolve(tool).execute(arguments, context)
    calls = executed(tmp_path)
    await servers.stop()

    with pytest.raises(ToolError, match=message):
        await registry.resolve(tool).execute(arguments, context.replay())

    assert executed(tmp_path) == calls


async def test_a_server_that_dies_in_a_call_fails_it_and_is_started_anew_by_the_next(
    connect, registry, context
):
    await connect(box=stdio())
    with pytest.raises(ToolError, match="MCP server box"):
        await registry.resolve("die").execute({}, context)

    result = await registry.resolve("add").execute({"a": 1, "b": 1}, context)

    assert result == {"result": 2}
    assert [name for name, _ in context.recorded] == ["mcp/add"]  # transport errors are not


async def test_an_http_server_that_comes_back_is_used_again(connect, registry, context):
    app = make_server().streamable_http_app
    with AsgiThread(app()) as server:
        port = server.port
        await connect(box={"url": f"http://127.0.0.1:{port}/mcp"})
    with pytest.raises(ToolError):
        await registry.resolve("add").execute({"a": 1, "b": 1}, context)

    with AsgiThread(app(), port=port):
        result = await registry.resolve("add").execute({"a": 1, "b": 1}, context)

    assert result == {"result": 2}


async def test_a_call_that_takes_too_long_fails_and_does_not_spoil_its_neighbours(
    connect, registry, http_toolbox
):
    await connect(box=http_toolbox | {"tools": {"hang": {"timeout": 0.2}}})

    outcomes: Any = await asyncio.gather(
        registry.resolve("hang").execute({}, RecordingContext()),
        registry.resolve("add").execute({"a": 1, "b": 1}, RecordingContext()),
        return_exceptions=True,
    )
    after = await registry.resolve("add").execute({"a": 2, "b": 2}, RecordingContext())

    assert isinstance(outcomes[0], ToolError)
    assert (outcomes[1], after) == ({"result": 2}, {"result": 4})


async def test_many_calls_share_one_connection(connect, registry, toolbox):
    await connect(box=toolbox)
    add = registry.resolve("add")

    results = await asyncio.gather(
        *(add.execute({"a": n, "b": 0}, RecordingContext()) for n in range(20))
    )

    assert results == [{"result": n} for n in range(20)]


async def test_a_server_that_is_down_at_the_start_is_listed_and_joins_when_it_is_up(
    connect, registry, context
):
    app = make_server().streamable_http_app
    with AsgiThread(app()) as server:
        port = server.port

    await connect(box={"url": f"http://127.0.0.1:{port}/mcp"}, other=stdio(include=["add"]))

    assert [tool.id for tool in registry.all()] == ["mcp-other.add@1.0"]
    assert len(registry.problems) == 1
    assert registry.problems[0].startswith("MCP server box: not reachable")
    with AsgiThread(app(), port=port):
        async with asyncio.timeout(30):
            # The registry tells nobody when it changes; whoever starts a run looks into it.
            while not any(tool.name == "greet" for tool in registry.all()):
                await asyncio.sleep(0.05)
        result = await registry.resolve("greet").execute({"name": "Ada"}, context)
    assert result == {"content": [{"type": "text", "text": "hello Ada"}]}


async def test_a_command_that_does_not_exist_is_a_problem_and_not_the_end(connect, registry):
    await connect(box={"command": "/nonexistent/mcp-server"})

    assert registry.problems == ["MCP server box: the command does not exist"]


async def test_include_exclude_and_prefix_choose_the_tools(connect, registry, http_toolbox):
    await connect(
        box=http_toolbox | {"include": ["add", "greet"], "exclude": ["greet"], "prefix": "box_"}
    )

    assert [tool.name for tool in registry.all()] == ["box_add"]


async def test_a_second_server_with_the_same_names_needs_a_prefix(connect, registry, http_toolbox):
    await connect(a=http_toolbox | {"include": ["add"]})
    await connect(b=http_toolbox | {"include": ["add"]})

    assert [tool.id for tool in registry.all()] == ["mcp-a.add@1.0"]
    assert registry.problems == ["MCP server b: the name add is taken; set a prefix"]


async def test_the_operator_marks_what_a_tool_does(connect, registry, http_toolbox):
    marks = {"add": {"side_effects": "none", "idempotent": True, "timeout": 5}}
    await connect(box=http_toolbox | {"side_effects": "read", "tools": marks})

    add, greet = registry.resolve("add"), registry.resolve("greet")

    assert (add.side_effects, add.idempotent) == ("none", True)
    assert (greet.side_effects, greet.idempotent) == ("read", False)
    assert add.timeout_seconds < greet.timeout_seconds


async def test_a_secret_is_taken_from_the_environment_and_no_other_gets_through(
    connect, registry, monkeypatch, context
):
    monkeypatch.setenv("BOX_SECRET", "hunter2")
    monkeypatch.setenv("SECRET_KEY", "ours")
    await connect(
        a=stdio(include=["secret"], prefix="a_", env={"TOOLBOX_SECRET": "<${BOX_SECRET}>"}),
        b=stdio(include=["secret"], prefix="b_"),
        c=stdio(env={"TOOLBOX_SECRET": "${NOT_SET_ANYWHERE}"}),
    )

    assert await registry.resolve("a_secret").execute({}, context) == {"result": "<hunter2>"}
    assert await registry.resolve("b_secret").execute({}, context) == {"result": "none"}
    assert registry.problems == ["MCP server c: NOT_SET_ANYWHERE is not set"]


async def test_headers_reach_the_server_and_never_the_list_of_problems(
    connect, registry, monkeypatch
):
    monkeypatch.setenv("BOX_TOKEN", "hunter2")
    seen = []

    async def refuse_all(scope, receive, send):
        if scope["type"] != "http":
            return
        seen.append(dict(scope["headers"]).get(b"authorization"))
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b"bad token hunter2"})

    with AsgiThread(refuse_all) as server:
        url = f"http://127.0.0.1:{server.port}/mcp"
        await connect(box={"url": url, "headers": {"Authorization": "Bearer ${BOX_TOKEN}"}})

    assert set(seen) == {b"Bearer hunter2"}
    assert "MCP server box: not reachable" in registry.problems[0]
    assert "hunter2" not in registry.problems[0]


LISTER = """
import json, sys
TOOLS = [
    {"name": "bare"},
    {"name": "null", "inputSchema": None},
    {"name": "text", "inputSchema": {"type": "string"}},
    {"name": "good", "inputSchema": {"type": "object", "properties": {}}},
]
for line in sys.stdin:
    request = json.loads(line)
    method, answer = request.get("method"), {}
    if method == "initialize":
        answer = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
                  "serverInfo": {"name": "lister", "version": "1"}}
    elif method == "tools/list":
        answer = {"tools": TOOLS}
    elif "id" not in request:
        continue
    elif method != "tools/call":
        error = {"code": -32601, "message": "no such method"}
        print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": error}), flush=True)
        continue
    else:
        error = {"code": -32602, "message": "bad arguments"}
        print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": error}), flush=True)
        continue
    print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": answer}), flush=True)
"""


async def test_a_tool_without_schema_takes_any_object_and_one_with_another_type_is_left_out(
    connect, registry, context
):
    await connect(box={"command": sys.executable, "args": ["-c", LISTER]})

    assert [tool.name for tool in registry.all()] == ["bare", "good", "null"]
    assert registry.resolve("bare").schema == {"type": "object"}
    with pytest.raises(ToolError, match="bad arguments"):
        await registry.resolve("bare").execute({}, context)


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("{", "is not valid JSON or YAML"),
        ("/nonexistent.yaml", "cannot be read: No such file"),
        ('{"a b": {"command": "x"}}', "'a b': a name is 1 to 40"),
        ('{"box": {}}', "MCP server box: give either command or url"),
        ('{"box": {"command": "x", "url": "http://x"}}', "MCP server box: give either"),
        ('{"box": {"command": "x", "colour": 1}}', "MCP server box: colour: Extra inputs"),
        ('{"box": {"url": "ftp://x"}}', "MCP server box: url: String should match"),
        ('{"box": {"url": "http://x", "headers": {"a": 1}}}', "MCP server box: headers.a"),
        ('{"box": 5}', "MCP server box: "),
    ],
)
def test_a_bad_setting_is_a_problem_in_one_line(setting, problem):
    config = load_config(setting)

    assert config.servers == {}
    assert len(config.problems) == 1
    assert problem in config.problems[0]
    assert "\n" not in config.problems[0]


def test_the_setting_may_name_a_yaml_file_in_the_form_other_clients_use(tmp_path):
    path = tmp_path / "mcp.yaml"
    path.write_text("mcpServers:\n  box:\n    command: toolbox\n  bad:\n    colour: blue\n")

    config = load_config(str(path))

    assert list(config.servers) == ["box"]
    assert len(config.problems) == 1
