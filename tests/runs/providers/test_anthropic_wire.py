import asyncio
import base64

import pytest
from blake3 import blake3

from runs import artifacts
from runs.providers.base import (
    ImageRef,
    Message,
    ProviderError,
    ReasoningDelta,
    ToolCall,
    ToolSpec,
    Usage,
)
from runs.providers.registry import get_client
from tests.runs.providers.asking import ask, assistant, tool_result
from tests.runs.providers.conftest import KEY
from tests.wire import Silence

MODEL = "anthropic:claude-sonnet-5-5"
WEATHER = ToolSpec("weather", "Weather of a city", {"type": "object", "properties": {}})


async def test_text_arrives_with_its_usage_cached_tokens_included(anthropic_server):
    reply = anthropic_server.answer("Hello there", usage=(100, 5, 40, 20))
    anthropic_server.script([reply])

    answer = await ask(get_client(MODEL), "Hi")

    assert answer.text == "Hello there"
    assert answer.end.usage == Usage(160, 5, cache_read_tokens=40, cache_create_tokens=20)
    assert answer.end.stop_reason == "stop"
    assert answer.end.provider_request_id == "req_wire_1"
    assert answer.end.raw_response_hash == blake3(b"".join(reply.events)).digest()


async def test_input_tokens_are_reported_before_the_text(anthropic_server):
    anthropic_server.script([anthropic_server.answer("Hello there", usage=(100, 5, 0, 0))])

    answer = await ask(get_client(MODEL), "Hi")

    assert answer.reports[0].input_tokens == 100
    assert answer.reports[-1] == answer.end.usage


async def test_the_request_carries_system_history_and_tools(anthropic_server):
    anthropic_server.script([anthropic_server.answer("ok")])

    await ask(
        get_client(MODEL),
        "Weather?",
        assistant("", [("c1", "weather", {"city": "Oslo"})]),
        tool_result("c1", "weather", "no such city", is_error=True),
        system="Be brief.",
        tools=(WEATHER,),
    )

    sent = anthropic_server.requests[0]
    assert sent.path.startswith("/v1/messages")
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.body["max_tokens"] == 4096
    assert "Be brief." in str(sent.body["system"])
    user, use, result = sent.body["messages"]
    assert user["role"] == "user"
    assert use["content"] == [
        {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Oslo"}}
    ]
    assert result["content"][0]["tool_use_id"] == "c1"
    assert result["content"][0]["is_error"] is True


async def test_the_recorded_api_version_is_the_one_sent(anthropic_server):
    anthropic_server.script([anthropic_server.answer("ok")])
    client = get_client(MODEL)

    await ask(client, "Hi")

    assert anthropic_server.requests[0].headers["anthropic-version"] == client.api_version


async def test_tool_calls_come_complete_and_in_order(anthropic_server):
    calls = [("t1", "weather", '{"city": "Oslo"}'), ("t2", "weather", "{}")]
    anthropic_server.script([anthropic_server.answer("Looking", tool_calls=calls)])

    answer = await ask(get_client(MODEL), "Weather?", tools=(WEATHER,))

    assert answer.tool_calls == [ToolCall(*call) for call in calls]
    assert answer.end.stop_reason == "tool_use"


async def test_thinking_keeps_its_signature(anthropic_server):
    anthropic_server.script(
        [anthropic_server.answer("Four.", thinking="two and two", signature="c2ln")]
    )

    answer = await ask(get_client(MODEL), "2+2?")

    assert answer.reasoning == [
        ReasoningDelta("two and two"),
        ReasoningDelta("", signature=b"c2ln"),
    ]
    assert answer.text == "Four."


async def test_redacted_thinking_is_marked(anthropic_server):
    anthropic_server.script([anthropic_server.answer("Four.", redacted_thinking="ZW5j")])

    answer = await ask(get_client(MODEL), "2+2?")

    assert answer.reasoning == [ReasoningDelta("", signature=b"ZW5j", redacted=True)]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "bad_request"),
        (401, "auth"),
        (429, "rate_limit"),
        (500, "overloaded"),
        (529, "overloaded"),
    ],
)
async def test_a_refusal_is_typed_by_its_status_and_asked_only_once(anthropic_server, status, kind):
    anthropic_server.script([anthropic_server.failure(status, "no", retry_after="3")])

    with pytest.raises(ProviderError) as caught:
        await ask(get_client(MODEL), "Hi")

    assert (caught.value.kind, caught.value.status) == (kind, status)
    assert caught.value.retry_after_seconds == 3
    assert len(anthropic_server.requests) == 1


async def test_an_error_event_in_the_stream_is_typed_like_the_same_refusal(anthropic_server):
    anthropic_server.script([anthropic_server.failing_midway("one two", "overloaded_error")])

    with pytest.raises(ProviderError) as caught:
        await ask(get_client(MODEL), "Hi")

    assert caught.value.kind == "overloaded"


async def test_a_connection_cut_in_mid_stream_is_a_network_failure(anthropic_server):
    anthropic_server.script([anthropic_server.answer("one two three").cut_after(4)])

    with pytest.raises(ProviderError) as caught:
        await ask(get_client(MODEL), "Hi")

    assert caught.value.kind == "network"


@pytest.mark.parametrize("missing", [1, 2, 3])
async def test_a_stream_without_its_end_is_no_answer(anthropic_server, missing):
    reply = anthropic_server.answer("one two three")
    anthropic_server.script([reply.ended_after(len(reply.events) - missing)])

    with pytest.raises(ProviderError) as caught:
        await ask(get_client(MODEL), "Hi")

    assert caught.value.kind == "invalid_stream"


async def test_a_chunk_that_is_no_json_is_an_invalid_stream(anthropic_server):
    anthropic_server.script([anthropic_server.answer("one two three").with_garbage_at(4)])

    with pytest.raises(ProviderError) as caught:
        await ask(get_client(MODEL), "Hi")

    assert caught.value.kind == "invalid_stream"


async def test_a_silent_provider_times_out(anthropic_server, settings):
    settings.MODEL_IDLE_TIMEOUT_SECONDS = 0.2
    anthropic_server.script([Silence()])

    with pytest.raises(ProviderError) as caught:
        await ask(get_client(MODEL), "Hi")

    assert caught.value.kind == "timeout"


PIXELS = b"\x89PNG\r\n\x1a\n and so on"


def with_image() -> Message:
    image = ImageRef(artifacts.put(PIXELS), "image/png")
    return Message("user", "what is this?", images=(image,))


async def test_an_image_travels_beside_its_text(anthropic_server):
    anthropic_server.script([anthropic_server.answer("a picture")])

    await ask(get_client(MODEL), await asyncio.to_thread(with_image))

    text, image = anthropic_server.requests[0].body["messages"][0]["content"]
    assert text["text"] == "what is this?"
    assert image["source"]["media_type"] == "image/png"
    assert base64.b64decode(image["source"]["data"]) == PIXELS


async def test_a_model_that_takes_no_images_gets_the_text_alone(anthropic_server):
    refusal = anthropic_server.failure(400, "this model does not take images")
    anthropic_server.script([refusal, anthropic_server.answer("what is what?")])

    answer = await ask(get_client(MODEL), await asyncio.to_thread(with_image))

    assert answer.text == "what is what?"
    assert "image" not in str(anthropic_server.requests[1].body["messages"])


async def test_an_image_that_was_pruned_is_left_out(anthropic_server):
    anthropic_server.script([anthropic_server.answer("I see none")])
    missing = Message("user", "look", images=(ImageRef("0" * 64, "image/png"),))

    answer = await ask(get_client(MODEL), missing)

    assert answer.text == "I see none"
