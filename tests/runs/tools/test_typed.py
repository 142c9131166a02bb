import json
import threading
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from runs.tools.base import ToolContext, ToolError
from runs.tools.typed import tool, validate_arguments


class Options(BaseModel):
    depth: Annotated[int, Field(ge=1, le=3)] = 1
    tags: list[str] = []


@tool(side_effects="read", namespace="test")
async def search(
    query: Annotated[str, Field(description="What to look for", min_length=1)],
    context: ToolContext,
    order: Literal["newest", "best"] = "best",
    options: Options | None = None,
    limit: int | None = None,
) -> list[str]:
    """Find things."""
    return [query, context.actor, order, str(options), str(limit)]


def test_a_schema_is_closed_sorted_and_the_same_bytes_every_time():
    expected = (
        '{"type":"object","properties":{'
        '"limit":{"type":"integer"},'
        '"options":{"type":"object","properties":{'
        '"depth":{"type":"integer","default":1,"maximum":3,"minimum":1},'
        '"tags":{"type":"array","items":{"type":"string"},"default":[]}},'
        '"additionalProperties":false},'
        '"order":{"type":"string","enum":["newest","best"],"default":"best"},'
        '"query":{"type":"string","description":"What to look for","minLength":1}},'
        '"required":["query"],"additionalProperties":false}'
    )

    assert json.dumps(search.schema, separators=(",", ":")) == expected


def test_name_description_and_id_come_from_the_function():
    assert (search.name, search.description, search.id) == (
        "search",
        "Find things.",
        "test.search@1.0",
    )


async def test_the_function_gets_parsed_arguments_and_the_context(context):
    arguments = validate_arguments(search, {"query": "x", "options": {"depth": 2}})

    result = await search.execute(arguments, context)

    assert result == {"result": ["x", "owner", "best", "depth=2 tags=[]", "None"]}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "search: query: is required"),
        ({"query": 5}, "search: query: must be of type string"),
        ({"query": ""}, "search: query: '' should be non-empty"),
        ({"query": "x", "when": 1}, "search: when: is not an argument of this tool"),
        ({"query": "x", "options": {"depth": 9}}, "search: options.depth: 9 is greater than"),
        ({"query": "x", "options": {"tags": ["a", 1]}}, "search: options.tags[1]: must be of"),
        ({"query": "x", "order": "oldest"}, "search: order: 'oldest' is not one of"),
        (["x"], "search: the arguments must be a JSON object"),
    ],
)
def test_bad_arguments_are_refused_in_one_short_line_that_names_the_field(arguments, message):
    with pytest.raises(ToolError) as refusal:
        validate_arguments(search, arguments)

    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)
    assert "pydantic" not in str(refusal.value)


def test_null_for_an_optional_argument_counts_as_absent():
    arguments = validate_arguments(search, {"query": "x", "limit": None, "options": None})

    assert arguments == {"query": "x"}


@pytest.mark.parametrize("nothing", [None, "", {}])
def test_no_arguments_at_all_are_an_empty_object(nothing):
    @tool()
    async def ping() -> str:
        return "pong"

    assert validate_arguments(ping, nothing) == {}


def test_a_reference_in_a_foreign_schema_is_never_fetched():
    @tool()
    async def ping() -> str:
        return "pong"

    object.__setattr__(ping, "schema", {"$ref": "http://127.0.0.1:9/schema.json"})

    with pytest.raises(ToolError, match="not a valid JSON Schema"):
        validate_arguments(ping, {"a": 1})


async def test_a_model_as_the_only_parameter_is_the_arguments(context):
    @tool()
    async def refine(options: Options) -> Options:
        """Refine."""
        return options

    result = await refine.execute({"depth": 3}, context)

    assert result == {"depth": 3, "tags": []}
    assert list(refine.schema["properties"]) == ["depth", "tags"]


async def test_a_sync_function_runs_in_a_thread(context):
    @tool()
    def which_thread() -> int:
        return threading.get_ident()

    result = await which_thread.execute({}, context)

    assert result["result"] != threading.get_ident()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, {"result": 5}),
        ("text", {"result": "text"}),
        (None, {"result": None}),
        ([1], {"result": [1]}),
        ({"a": 1}, {"a": 1}),
        (Options(depth=2), {"depth": 2, "tags": []}),
    ],
)
async def test_what_is_no_object_becomes_the_result_of_one(value, expected, context):
    @tool()
    async def give() -> Any:
        return value

    assert await give.execute({}, context) == expected


def test_the_output_schema_says_what_comes_back():
    assert search.output_schema == {
        "type": "object",
        "properties": {"result": {"type": "array", "items": {"type": "string"}}},
        "required": ["result"],
    }


class Node(BaseModel):
    children: list["Node"] = []


def test_a_recursive_type_is_refused_when_the_tool_is_made():
    with pytest.raises(TypeError, match="contains itself"):

        @tool()
        async def grow(node: Node) -> None: ...


def test_a_parameter_without_a_type_is_refused_when_the_tool_is_made():
    with pytest.raises(TypeError, match="parameter what needs a type"):

        @tool()
        async def guess(what) -> None: ...
