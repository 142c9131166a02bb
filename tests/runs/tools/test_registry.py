import dataclasses
from typing import Any

import pytest

from runs.tools.base import Tool
from runs.tools.registry import (
    ToolAmbiguous,
    ToolNotFound,
    ToolRefused,
    ToolRegistry,
    get_registry,
    load_plugins,
)


async def _nothing(arguments, context):
    return {}


def make_tool(name: str = "search", namespace: str = "test", **changes: Any) -> Tool:
    tool = Tool(
        name=name,
        description="",
        schema={"type": "object"},
        execute=_nothing,
        namespace=namespace,
    )
    return dataclasses.replace(tool, **changes)


@pytest.fixture
def registry():
    return ToolRegistry()


def test_a_bare_name_is_enough_while_it_is_unique(registry):
    tool = make_tool()
    registry.register(tool)

    assert registry.resolve("search") is tool
    assert registry.resolve("test.search@1.0") is tool


def test_a_shared_bare_name_needs_the_id(registry):
    registry.register(make_tool(namespace="a"))
    registry.register(make_tool(namespace="b"))

    with pytest.raises(ToolAmbiguous, match=r"a\.search@1\.0, b\.search@1\.0"):
        registry.resolve("search")
    assert registry.resolve("b.search@1.0").namespace == "b"


def test_an_unknown_name_is_a_refusal_of_its_own(registry):
    with pytest.raises(ToolNotFound, match="no tool named 'serach'"):
        registry.resolve("serach")


def test_specs_are_sorted_by_name_whatever_the_order_asked_for(registry):
    for name in ("b", "c", "a"):
        registry.register(make_tool(name))

    specs = registry.specs(["c", "test.a@1.0", "b", "a"])

    assert [spec.name for spec in specs] == ["a", "b", "c"]


def test_two_tools_of_one_name_cannot_be_offered_to_a_model_together(registry):
    registry.register(make_tool(namespace="a"))
    registry.register(make_tool(namespace="b"))

    with pytest.raises(ToolAmbiguous, match="cannot be used together"):
        registry.specs(["a.search@1.0", "b.search@1.0"])


@pytest.mark.parametrize(
    "tool",
    [
        make_tool("two words"),
        make_tool(""),
        make_tool("x" * 65),
        make_tool(schema={"type": "string"}),
        make_tool(schema={"type": "object", "properties": {"a": {"type": "nonsense"}}}),
    ],
    ids=["space", "empty", "long", "no object", "no schema"],
)
def test_a_tool_no_provider_would_take_is_refused(registry, tool):
    with pytest.raises(ToolRefused):
        registry.register(tool)


def test_an_id_is_registered_once(registry):
    registry.register(make_tool())

    with pytest.raises(ToolRefused, match="is taken"):
        registry.register(make_tool())


def test_a_source_replaces_what_it_offered_before_and_nothing_else(registry):
    registry.register(make_tool("kept"))
    registry.replace("remote", [make_tool("old", "remote"), make_tool("same", "remote")])

    registry.replace("remote", [make_tool("same", "remote"), make_tool("new", "remote")])

    assert [tool.name for tool in registry.all()] == ["kept", "new", "same"]


def test_a_remote_tool_cannot_shadow_an_installed_one(registry):
    registry.register(make_tool("read_file", "core"))

    registry.replace("remote", [make_tool("read_file", "remote"), make_tool("other", "remote")])

    assert registry.resolve("read_file").namespace == "core"
    assert registry.resolve("other").namespace == "remote"
    assert registry.problems == ["remote: the name read_file is taken; set a prefix"]


def test_the_built_in_tools_are_there():
    names = [tool.id for tool in get_registry().all() if tool.namespace == "core"]

    assert {"core.now@1.0", "core.calculate@1.0", "core.fetch_url@1.0"} <= set(names)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Installs a distribution: its module's source and its entry points."""

    def install(entry_points: str, source: str) -> None:
        (tmp_path / "shop_plugin.py").write_text(source)
        info = tmp_path / "shop_plugin-2.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-plugin\nVersion: 2.0\n")
        (info / "entry_points.txt").write_text(f"[starport.tools]\n{entry_points}\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(__import__("sys").modules, "shop_plugin", raising=False)

    return install


PLUGIN = """
from runs.tools.typed import tool

@tool(namespace="shop", side_effects="read")
async def price(article: str) -> float:
    "The price of an article."
    return 9.5

@tool(namespace="shop")
async def stock(article: str) -> int:
    "How many there are."
    return 3

def everything():
    return [price, stock]

def broken():
    raise RuntimeError("no licence")

nonsense = 5
"""


async def test_a_plugin_is_found_by_its_entry_point_and_works(installed, registry, context):
    installed("shop = shop_plugin:everything", PLUGIN)

    load_plugins(registry)

    assert [tool.id for tool in registry.all()] == ["shop.price@1.0", "shop.stock@1.0"]
    price = registry.resolve("price")
    assert await price.execute({"article": "tea"}, context) == {"result": 9.5}
    assert registry.problems == []


def test_a_plugin_that_fails_is_listed_and_the_others_load(installed, registry):
    installed(
        "a = shop_plugin:broken\nb = shop_plugin:missing\nc = shop_plugin:nonsense\n"
        "d = shop_plugin:price\ne = nowhere_to_be_found:tools",
        PLUGIN,
    )

    load_plugins(registry)

    assert [tool.name for tool in registry.all()] == ["price"]
    assert [problem.partition(" (")[0] for problem in registry.problems] == [
        "plugin a",
        "plugin b",
        "plugin c",
        "plugin e",
    ]
    assert "RuntimeError: no licence" in registry.problems[0]


def test_a_plugin_that_leaves_the_interpreter_does_not_take_us_along(installed, registry):
    installed("shop = shop_plugin:tools", "import sys; sys.exit(3)")

    load_plugins(registry)

    assert len(registry.problems) == 1
