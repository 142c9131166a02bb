import asyncio
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from blake3 import blake3

from runs.providers.base import ModelRequest, ProviderError, TextDelta, ToolCall, ToolSpec, Usage
from runs.providers.registry import get_client
from tests.runs.providers.asking import ask, assistant, request_for, tool_result
from tests.runs.providers.conftest import KEY
from tests.wire import Silence

MODEL = "openai:gpt-4o-mini"
WEATHER = ToolSpec(
    "weather",
    "Weather of a city",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)


async def test_text_arrives_piece_by_piece_and_ends_with_the_facts_of_the_call(openai_server):
    reply = openai_server.answer("Hello there, friend", usage=(20, 5, 8))
    openai_server.script([reply])

    answer = await ask(get_client(MODEL), "Hi")

    assert [p.text for p in answer.parts if isinstance(p, TextDelta)] == [
        "Hello ",
        "there, ",
        "friend",
    ]
    assert answer.end.stop_reason == "stop"
    assert answer.end.usage == Usage(20, 5, cache_read_tokens=8)
    assert answer.end.provider_request_id == "req_wire_1"
    assert answer.end.raw_response_hash == blake3(b"".join(reply.events)).digest()


async def test_the_request_carries_system_history_tools_and_parameters(openai_server):
    openai_server.script([openai_server.answer("ok")])

    await ask(
        get_client(MODEL),
        "Weather in Oslo?",
        assistant("Looking.", [("c1", "weather", {"city": "Oslo"}), ("c2", "weather", {})]),
        tool_result("c1", "weather", {"celsius": 3}),
        tool_result("c2", "weather", "no such city", is_error=True),
        "And tomorrow?",
        system="Be brief.",
        tools=(WEATHER,),
        params={"temperature": 0.5, "max_tokens": 100, "verbosity": "low", "stream": False},
        idempotency_key="turn-1",
    )

    sent = openai_server.requests[0]
    assert sent.path == "/v1/chat/completions"
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.headers["idempotency-key"] == "turn-1"
    assert sent.body["model"] == "gpt-4o-mini"
    assert sent.body["stream"] is True
    assert sent.body["stream_options"] == {"include_usage": True}
    assert sent.body["temperature"] == 0.5
    assert sent.body["verbosity"] == "low"
    assert sent.body["tools"][0]["function"]["parameters"] == WEATHER.schema
    roles = [message["role"] for message in sent.body["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "tool", "user"]
    _, _, calls, first, second, _ = sent.body["messages"]
    arguments = [json.loads(call["function"]["arguments"]) for call in calls["tool_calls"]]
    assert arguments == [{"city": "Oslo"}, {}]
    assert (first["tool_call_id"], first["content"]) == ("c1", '{"celsius": 3}')
    assert "error" in second["content"] and "no such city" in second["content"]


async def test_parallel_tool_calls_come_complete_with_their_arguments_as_written(openai_server):
    calls = [("c1", "weather", '{"city":  "Oslo"}'), ("c2", "weather", '{"city": "Rome"}')]
    openai_server.script([openai_server.answer("Let me see", tool_calls=calls)])

    answer = await ask(get_client(MODEL), "Weather?", tools=(WEATHER,))

    assert answer.text == "Let me see"
    assert answer.tool_calls == [ToolCall(*call) for call in calls]
    assert answer.end.stop_reason == "tool_use"


async def test_a_call_without_an_id_is_left_for_the_engine_to_name(openai_server):
    openai_server.script([openai_server.answer(tool_calls=[("", "weather", "")])])

    answer = await ask(get_client(MODEL), "Weather?", tools=(WEATHER,))

    assert answer.tool_calls == [ToolCall("", "weather", "{}")]


async def test_reasoning_is_told_apart_from_the_answer(openai_server):
    openai_server.script([openai_server.answer("Four.", reasoning="two and two")])

    answer = await ask(get_client(MODEL), "2+2?")

    assert "".join(part.text for part in answer.reasoning) == "two and two"
    assert answer.text == "Four."


async def test_a_schema_is_asked_of_the_provider(openai_server):
    openai_server.script([openai_server.answer('{"n": 1}')])
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}

    answer = await ask(get_client(MODEL), "A number", output_schema=schema)

    sent = openai_server.requests[0].body["response_format"]
    assert sent["type"] == "json_schema"
    assert sent["json_schema"]["schema"]["properties"] == schema["properties"]
    assert answer.text == '{"n": 1}'


@pytest.mark.parametrize(
    ("finish_reason", "stop_reason"),
    [("length", "max_tokens"), ("content_filter", "filtered"), ("stop", "stop")],
)
async def test_why_it_stopped_is_said_in_our_words(openai_server, finish_reason, stop_reason):
    openai_server.script([openai_server.answer("so far", finish_reason=finish_reason)])

    answer = await ask(get_client(MODEL), "Go")

    assert answer.end.stop_reason == stop_reason


@pytest.mark.parametrize(
    ("status", "kind", "is_retryable"),
    [
        (400, "bad_request", False),
        (401, "auth", False),
        (403, "auth", False),
        (404, "bad_request", False),
        (408, "timeout", True),
        (422, "bad_request", False),
        (429, "rate_limit", True),
        (500, "overloaded", True),
        (503, "overloaded", True),
        (529, "overloaded", True),
    ],
)
async def test_a_refusal_is_typed_by_its_status_and_asked_only_once(
    openai_server, status, kind, is_retryable
):
    openai_server.script([openai_server.failure(status, "reason of the day")])

    with pytest.raises(ProviderError) as caught:
        await ask(get_client(MODEL), "Hi")

    assert (caught.value.kind, caught.value.status) == (kind, status)
    assert caught.value.is_retryable is is_retryable
    assert len(openai_server.requests) == 1


@pytest.mark.parametrize(
    ("header", "value", "seconds"),
    [("Retry-After", "7", 7.0), ("retry-after-ms", "1500", 1.5), ("Retry-After", "soon", None)],
)
async def test_how_long_to_wait_is_passed_on(openai_server, header, value, seconds):
    openai_server.script([openai_server.failure(429, "slow down", **{header: value})])

    with pytest.raises(ProviderError) as caught:
        await ask(get_client(MODEL), "Hi")

    assert caught.value.retry_after_seconds == seconds


async def test_how_long_to_wait_may_be_given_as_a_date(openai_server):
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    openai_server.script([openai_server.failure(429, "slow down", retry_after=date)])

    with pytest.raises(ProviderError) as caught:
        await ask(get_client(MODEL), "Hi")

    assert caught.value.retry_after_seconds is not None
    assert 500 < caught.value.retry_after_seconds <= 600


async def test_the_same_client_answers_after_a_rate_limit(openai_server):
    openai_server.script([openai_server.failure(429), openai_server.answer("back again")])
    client = get_client(MODEL)

    with pytest.raises(ProviderError):
        await ask(client, "Hi")
    answer = await ask(client, "Hi")

    assert answer.text == "back again"


async def test_an_error_quotes_the_providers_sentence_but_no_secret(openai_server):
    openai_server.script(
        [openai_server.failure(400, f"Key {KEY} at https://x.test/?key=abc may not\nuse gpt-9")]
    )

    with pytest.raises(ProviderError) as caught:
        await ask(get_client(MODEL), "Hi")

    message = str(caught.value)
    assert message == "the provider refused the request: Key *** at *** may not use gpt-9"
    assert caught.value.__cause__ is None


async def test_a_refused_key_is_not_described_further(openai_server):
    openai_server.script([openai_server.failure(401, f"Incorrect API key provided: {KEY}")])

    with pytest.raises(ProviderError) as caught:
        await ask(get_client(MODEL), "Hi")

    assert str(caught.value) == "the provider refused the credentials"


@pytest.mark.parametrize("after", [0, 1, 3])
async def test_a_connection_cut_in_mid_stream_is_a_network_failure(openai_server, after):
    openai_server.script([openai_server.answer("one two three four").cut_after(after)])

    with pytest.raises(ProviderError) as caught:
        await ask(get_client(MODEL), "Hi")

    assert caught.value.kind == "network"


async def test_what_was_streamed_before_the_cut_has_been_delivered(openai_server):
    openai_server.script([openai_server.answer("one two three four").cut_after(3)])

    seen = []
    with pytest.raises(ProviderError):
        async for part in get_client(MODEL).stream(request_for("Hi")):
            seen.append(part)

    assert seen == [TextDelta("one "), TextDelta("two ")]


@pytest.mark.parametrize("after", [1, 3])
async def test_a_stream_without_its_end_is_no_answer(openai_server, after):
    openai_server.script([openai_server.answer("one two three four").ended_after(after)])

    with pytest.raises(ProviderError) as caught:
        await ask(get_client(MODEL), "Hi")

    assert caught.value.kind == "invalid_stream"


async def test_half_a_tool_call_is_no_tool_call(openai_server):
    reply = openai_server.answer(tool_calls=[("c1", "weather", '{"city": "Oslo"}')])
    openai_server.script([reply.ended_after(3)])

    with pytest.raises(ProviderError) as caught:
        await ask(get_client(MODEL), "Weather?", tools=(WEATHER,))

    assert caught.value.kind == "invalid_stream"


async def test_a_chunk_that_is_no_json_is_an_invalid_stream(openai_server):
    openai_server.script([openai_server.answer("one two three").with_garbage_at(2)])

    with pytest.raises(ProviderError) as caught:
        await ask(get_client(MODEL), "Hi")

    assert caught.value.kind == "invalid_stream"


async def test_a_silent_provider_times_out(openai_server, settings):
    settings.MODEL_IDLE_TIMEOUT_SECONDS = 0.2
    openai_server.script([Silence()])

    with pytest.raises(ProviderError) as caught:
        await ask(get_client(MODEL), "Hi")

    assert caught.value.kind == "timeout"


async def test_a_provider_that_falls_silent_in_mid_stream_times_out(openai_server, settings):
    settings.MODEL_IDLE_TIMEOUT_SECONDS = 0.2
    openai_server.script([openai_server.answer("one two three").held_after(2)])

    with pytest.raises(ProviderError) as caught:
        await ask(get_client(MODEL), "Hi")

    assert caught.value.kind == "timeout"


async def test_a_slow_answer_is_still_an_answer(openai_server, settings):
    settings.MODEL_IDLE_TIMEOUT_SECONDS = 5
    openai_server.script([openai_server.answer("one two").slow(0.05)])

    answer = await ask(get_client(MODEL), "Hi")

    assert answer.text == "one two"


async def test_nobody_listening_is_a_network_failure(openai_server, settings):
    settings.OPENAI_BASE_URL = "http://127.0.0.1:9/v1"

    with pytest.raises(ProviderError) as caught:
        await ask(get_client(MODEL), "Hi")

    assert caught.value.kind == "network"


async def test_a_cancelled_call_hangs_up_at_once(openai_server):
    openai_server.script([openai_server.answer("one two three").held_after(2)])
    has_begun = asyncio.Event()

    async def listen(request: ModelRequest) -> None:
        async for _ in get_client(MODEL).stream(request):
            has_begun.set()

    call = asyncio.create_task(listen(request_for("Hi")))
    await has_begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    assert await asyncio.to_thread(openai_server.hung_up.wait, 10)


async def test_many_calls_run_at_once_over_one_client(openai_server):
    openai_server.script([openai_server.answer(f"answer {n}") for n in range(20)])
    client = get_client(MODEL)

    answers = await asyncio.gather(*(ask(client, f"Question {n}") for n in range(20)))

    assert {answer.text for answer in answers} == {f"answer {n}" for n in range(20)}


def test_one_client_serves_one_event_loop_after_another(openai_server):
    openai_server.script([openai_server.answer("first"), openai_server.answer("second")])
    client = get_client(MODEL)

    texts = [asyncio.run(ask(client, "Hi")).text for _ in range(2)]

    assert texts == ["first", "second"]
