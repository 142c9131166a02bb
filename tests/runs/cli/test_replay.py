"""`runs replay`: clean, diverged or refused, and an exit code that says so."""

from collections.abc import Iterator

import pytest

from runs.graphs.registry import register
from runs.tools.base import Tool
from runs.tools.registry import get_registry
from tests.runs.cli.conftest import GOLDEN_GOAL

SCHEMA = {"type": "object", "properties": {}, "additionalProperties": False}


@pytest.fixture
def oracle() -> Iterator[list[str]]:
    """A pure tool, and its answer: whoever changes it edits the tool."""
    answer = ["yes"]

    async def execute(arguments, context):
        return {"answer": answer[0]}

    tool = Tool(name="oracle", description="Knows.", schema=SCHEMA, execute=execute)
    get_registry().replace("tests", [tool])
    yield answer
    get_registry().replace("tests", [])


def test_a_faithful_recording_replays_clean(cli, execute):
    done, failed = execute(GOLDEN_GOAL, "!fail auth")

    for run_id in (done, failed):
        result = cli("replay", run_id)

        assert (result.code, result.out) == (0, "OK: replay matches recorded log\n")


def test_an_edited_tool_diverges_at_its_outcome(cli, execute, oracle):
    [run_id] = execute("!tool oracle {}\n!turn\n!say done")
    oracle[0] = "no"

    result = cli("replay", run_id)

    assert result.code == 1
    assert result.lines[0].startswith(
        "DIVERGED: seq 5, payload: different result; recorded ToolCallCompleted {"
    )
    assert '"answer":"yes"' in result.lines[0]
    assert '"answer":"no"' in result.lines[0]
    assert result.lines[1:] == [
        '  recorded result = {"answer":"yes"}',
        '  produced result = {"answer":"no"}',
    ]


GRAPH = {
    "ir_version": "1.1.0",
    "id": "two",
    "nodes": [
        {"id": "ask", "kind": "tool", "config": {"tool": "oracle", "out": "found"}},
        {"id": "tell", "kind": "llm", "config": {"prompt": "!say {{ found.answer }}"}},
    ],
}


def test_a_run_of_several_nodes_replays_clean_and_diverges_like_an_agent(cli, execute, oracle):
    register(GRAPH, source="test", actor="test")
    [run_id] = execute("go", graph_id="two")

    clean = cli("replay", run_id)
    oracle[0] = "no"
    diverged = cli("replay", run_id)

    assert (clean.code, clean.out) == (0, "OK: replay matches recorded log\n")
    assert diverged.code == 1
    assert diverged.lines[0].startswith(
        "DIVERGED: seq 4, payload: different result; recorded ToolCallCompleted {"
    )
    assert diverged.lines[1:] == [
        '  recorded result = {"answer":"yes"}',
        '  produced result = {"answer":"no"}',
    ]


def test_another_model_is_refused_for_a_graph_as_well(cli, execute, oracle, settings):
    register(GRAPH, source="test", actor="test")
    [run_id] = execute("go", graph_id="two")
    settings.MODEL_NAMES = ["openai:other"]
    settings.OPENAI_API_KEY = "not-a-key"

    refused = cli("replay", run_id)

    assert refused.code == 1
    assert refused.out.startswith("REFUSED: recorded with scripted/scripted/v0, configured is")


def test_another_model_is_refused_unless_forced(cli, execute, settings):
    [run_id] = execute("hello")
    settings.MODEL_NAMES = ["openai:other"]
    settings.OPENAI_API_KEY = "not-a-key"

    refused = cli("replay", run_id)

    assert refused.code == 1
    assert refused.out.startswith("REFUSED: recorded with scripted/scripted/v0, configured is")


def test_force_compares_although_the_provider_is_another(cli, execute, settings):
    [run_id] = execute("hello")
    settings.MODEL_NAMES = ["openai:scripted"]
    settings.OPENAI_API_KEY = "not-a-key"

    assert cli("replay", run_id).code == 1
    forced = cli("replay", "--force", "--soft", run_id)

    assert forced.code == 0
    assert forced.lines[0] == "OK: replay matches recorded log"
    assert 'soft: seq 1 provider_id: recorded "scripted", produced "openai"' in forced.lines


def test_redacted_events_are_refused(cli, execute):
    [run_id] = execute("hello")
    cli("redact", run_id, "3", "--reason", "a name")

    result = cli("replay", run_id)

    assert result.code == 1
    assert result.out.startswith("REFUSED: events of this run are redacted")


def test_an_unknown_run_is_one_line(cli):
    result = cli("replay", "nobody")

    assert (result.code, result.err) == (1, "runs: there is no run nobody\n")
