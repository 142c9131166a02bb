import asyncio
import math

import pytest

from runs.providers.base import (
    ProviderError,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    Usage,
)
from runs.providers.scripted import ScriptedModel
from tests.runs.providers.asking import ask, assistant, request_for, tool_result

MODEL = ScriptedModel()


async def test_without_directives_it_says_back_what_it_heard_word_by_word():
    answer = await ask(MODEL, "hello  big\nworld")

    words = [part.text for part in answer.parts if isinstance(part, TextDelta)]
    assert words == ["You", " said:", " hello", "  big", "\nworld"]
    assert answer.end.stop_reason == "stop"


async def test_it_reads_the_newest_user_message():
    answer = await ask(MODEL, "!say old", assistant("old"), "!say new")

    assert answer.text == "new"


async def test_lines_beside_directives_are_ignored():
    answer = await ask(MODEL, "Dear model,\n!say yes\nplease\n!say sir")

    assert answer.text == "yes\nsir"


async def test_a_script_goes_on_after_the_tool_results():
    script = '!say looking\n!tool now {}\n!tool calculate {"expression": "1 + 1"}\n!say found it'
    history = [assistant("looking", [("1", "now", {})]), tool_result("1", "now", "noon")]

    first = await ask(MODEL, script)
    second = await ask(MODEL, script, *history)

    assert first.tool_calls == [
        ToolCall("", "now", "{}"),
        ToolCall("", "calculate", '{"expression": "1 + 1"}'),
    ]
    assert first.text == "looking"
    assert first.end.stop_reason == "tool_use"
    assert second.text == "found it"
    assert second.tool_calls == []


@pytest.mark.parametrize("script", ["!tool now\n!turn\n!say done", "!tool now\n!say done"])
async def test_a_turn_after_tools_needs_no_directive(script):
    answer = await ask(MODEL, script, assistant("", [("1", "now", {})]), tool_result("1", "now", 1))

    assert answer.text == "done"


async def test_turn_splits_an_answer_in_two():
    script = "!say one\n!turn\n!say two"

    texts = [(await ask(MODEL, script, *[assistant("x")] * n)).text for n in range(2)]

    assert texts == ["one", "two"]


@pytest.mark.parametrize("script", ["!say only", "no script at all"])
async def test_after_the_end_of_the_script_it_says_done(script):
    answer = await ask(MODEL, script, assistant("only"))

    assert answer.text == "Done."


async def test_think_is_reasoning():
    answer = await ask(MODEL, "!think hm, well\n!say yes")

    assert answer.reasoning == [ReasoningDelta("hm, well")]
    assert answer.text == "yes"


async def test_repeat_says_it_so_many_times():
    answer = await ask(MODEL, "!repeat 3 ab c")

    assert answer.text == "ab c ab c ab c"
    assert answer.end.usage.output_tokens == 6


async def test_words_are_counted_as_tokens():
    answer = await ask(
        MODEL,
        "!say one two three",
        system="You are kind.",
    )

    assert answer.end.usage == Usage(input_tokens=7, output_tokens=3)


async def test_a_long_answer_reports_on_its_way_how_far_it_is():
    answer = await ask(MODEL, "!repeat 100 word")

    counts = [report.output_tokens for report in answer.reports]
    assert counts == sorted(counts)
    assert 0 < counts[0] < 100
    assert {report.input_tokens for report in answer.reports} == {3}


async def test_usage_replaces_the_count_where_it_stands():
    answer = await ask(MODEL, "!say a\n!usage 1000 500\n!repeat 100 word")

    assert answer.parts[:2] == [TextDelta("a"), Usage(1000, 500)]
    assert answer.reports == [Usage(1000, 500)]
    assert answer.end.usage == Usage(1000, 500)


async def test_usage_counts_for_its_own_call_only():
    script = "!usage 1000 500\n!say a\n!turn\n!say b c"

    second = await ask(MODEL, script, assistant("a"))

    assert second.end.usage.output_tokens == 2


@pytest.mark.parametrize("kind", ["rate_limit", "overloaded", "auth", "timeout", "bad_request"])
async def test_fail_raises_that_failure_each_time_it_is_played(kind):
    for _ in range(2):
        seen = []
        with pytest.raises(ProviderError) as caught:
            async for part in MODEL.stream(request_for(f"!say before\n!fail {kind}")):
                seen.append(part)
        assert caught.value.kind == kind
        assert seen == [TextDelta("before")]


@pytest.mark.parametrize(
    "script",
    [
        "!shout loud",
        "!fail badly",
        "!tool",
        "!tool now [1]",
        "!tool now {broken",
        "!usage 1",
        "!usage one two",
        "!usage -1 2",
        "!repeat x word",
        "!repeat 3",
        "!repeat 999999999 word",
        "!sleep soon",
        "!sleep -1",
        "!sleep nan",
        "!sleep inf",
    ],
)
async def test_bad_arguments_are_a_bad_request(script):
    with pytest.raises(ProviderError) as caught:
        await ask(MODEL, f"!say never heard\n{script}")

    assert caught.value.kind == "bad_request"


async def test_sleep_takes_fractions_of_a_second():
    answer = await ask(MODEL, "!say a\n!sleep 0.001\n!say b")

    assert answer.text == "a\nb"


async def test_a_sleeping_answer_can_be_cancelled():
    has_begun = asyncio.Event()

    async def listen() -> None:
        async for _ in MODEL.stream(request_for("!say a\n!sleep 3600\n!say b")):
            has_begun.set()

    call = asyncio.create_task(listen())
    await has_begun.wait()
    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_long_answer_lets_others_work():
    others_turns = 0

    async def other() -> None:
        nonlocal others_turns
        while True:
            others_turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await ask(MODEL, "!repeat 1000 word")
    task.cancel()

    assert others_turns > 10


async def test_the_same_request_has_the_same_hash_and_another_answer_another():
    hashes = [(await ask(MODEL, text)).end.raw_response_hash for text in ("a", "a", "b")]

    assert hashes[0] == hashes[1]
    assert hashes[0] != hashes[2]
    assert {len(h) for h in hashes if h} == {32}


def test_it_costs_one_dollar_a_million_in_and_two_out():
    cost = MODEL.cost_usd(Usage(input_tokens=1_000_000, output_tokens=500_000))

    assert cost is not None
    assert math.isclose(cost, 2.0)
