"""`now`, `ask_human` and `attach`."""

import pytest

from runs.tools.base import ToolError, WaitForInput
from runs.tools.builtin import BUILT_IN
from runs.tools.builtin.ask_human import ask_human
from runs.tools.builtin.attach import attach
from runs.tools.builtin.now import now
from runs.tools.typed import validate_arguments


async def test_now_is_the_runs_own_clock_to_the_nanosecond(context):
    result = await now.execute({}, context)

    assert result == {
        "time": "2026-02-25T06:13:20.123456789Z",
        "unix_ns": "1772000000123456789",
    }


async def test_ask_human_waits_with_the_choices_as_the_schema_of_the_answer(context):
    with pytest.raises(WaitForInput) as waiting:
        await ask_human.execute({"prompt": "Ship it?", "choices": ["yes", "no"]}, context)

    assert waiting.value.prompt == "Ship it?"
    assert waiting.value.schema == {"type": "string", "enum": ["yes", "no"]}


async def test_ask_human_passes_a_schema_on(context):
    schema = {"type": "object", "properties": {"amount": {"type": "number"}}}

    arguments = validate_arguments(ask_human, {"prompt": "How much?", "schema": schema})
    with pytest.raises(WaitForInput) as waiting:
        await ask_human.execute(arguments, context)

    assert waiting.value.schema == schema


async def test_ask_human_without_either_takes_any_answer(context):
    with pytest.raises(WaitForInput) as waiting:
        await ask_human.execute({"prompt": "Why?"}, context)

    assert waiting.value.schema is None


@pytest.mark.parametrize(
    "arguments",
    [
        {"prompt": "?", "choices": ["a"], "schema": {"type": "string"}},
        {"prompt": "?", "schema": {"type": "strnig"}},
    ],
)
async def test_ask_human_refuses_a_form_nobody_could_fill_in(arguments, context):
    with pytest.raises(ToolError):
        await ask_human.execute(arguments, context)


@pytest.mark.usefixtures("files_dir")
@pytest.mark.parametrize(
    "arguments",
    [{}, {"path": "a", "artifact_id": "0" * 32}, {"path": "missing"}, {"path": "../secret"}],
)
async def test_attach_refuses_what_is_not_there(arguments, context):
    with pytest.raises(ToolError):
        await attach.execute(arguments, context)


async def test_attach_takes_larger_files_than_a_model_could_read(files_dir, context, settings):
    settings.STARPORT_ARTIFACT_MAX_BYTES = 2_000_000
    (files_dir / "film").write_bytes(b"x" * 2_000_001)

    with pytest.raises(ToolError, match="larger than 2,000,000 bytes"):
        await attach.execute({"path": "film"}, context)


def test_a_tool_that_says_none_of_side_effects_is_idempotent():
    assert [tool.name for tool in BUILT_IN if tool.side_effects == "none"] == [
        "ask_human",
        "calculate",
        "now",
    ]
    assert all(tool.idempotent for tool in BUILT_IN if tool.side_effects in ("none", "read"))
