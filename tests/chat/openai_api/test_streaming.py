"""Chat completions as they stream."""

from typing import Any

import openai as sdk
import pytest
from openai import OpenAI

from tests.chat.openai_api.talking import TOOL_TALK, ask, run_of
from tests.server import RunningServer


def stream(client: OpenAI, text: str, **fields: Any) -> list[Any]:
    return list(ask(client, text, stream=True, **fields))


def text_of(chunks: list[Any]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def until_cancelled(server: RunningServer, run_id: str) -> dict[str, Any]:
    """The run once it is; who waits in vain is cut off by the test runner."""
    while True:
        run: dict[str, Any] = server.client.get(f"/v1/runs/{run_id}").json()
        if run["status"] == "cancelled":
            return run


def test_a_chat_with_a_tool_of_ours_streams_to_the_official_client(
    openai: OpenAI, server: RunningServer
):
    chunks = stream(openai, TOOL_TALK, model="chat", stream_options={"include_usage": True})

    *spoken, usage = chunks
    assert spoken[0].choices[0].delta.role == "assistant"
    assert text_of(spoken) == "Let me see.\nIt is 42."
    assert [c.choices[0].finish_reason for c in spoken[-2:]] == [None, "stop"]
    assert all(chunk.choices[0].delta.tool_calls is None for chunk in spoken)
    assert all(chunk.usage is None for chunk in spoken)
    assert usage.choices == []
    assert usage.usage.total_tokens == usage.usage.prompt_tokens + usage.usage.completion_tokens > 0
    assert len({chunk.id for chunk in chunks}) == 1
    run = server.client.get(f"/api/v1/runs/{run_of(chunks[0])}").json()
    assert (run["tool_call_count"], run["status"]) == (1, "completed")


def test_text_comes_in_the_pieces_that_the_model_makes(openai: OpenAI):
    chunks = stream(openai, "!say one\n!sleep 1\n!say two\n!sleep 1\n!say three")

    pieces = [c.choices[0].delta.content for c in chunks if c.choices[0].delta.content]
    assert len(pieces) > 2
    assert "".join(pieces) == text_of(chunks) == "one\ntwo\nthree"


def test_without_being_asked_for_there_is_no_usage(openai: OpenAI):
    chunks = stream(openai, "hello")

    assert all(chunk.choices for chunk in chunks)
    assert text_of(chunks) == "You said: hello"


def test_text_arrives_while_the_run_works_and_who_leaves_cancels_it(
    openai: OpenAI, server: RunningServer
):
    with ask(openai, "!say Hello.\n!sleep 120\n!say Too late.", stream=True) as chunks:
        run_id = run_of(next(chunks))
        first = next(chunk.choices[0].delta.content for chunk in chunks)
        going_on = server.client.get(f"/v1/runs/{run_id}").json()["status"]

    assert "Hello.".startswith(first) and first
    assert going_on == "running"
    assert until_cancelled(server, run_id)


def test_who_leaves_without_a_stream_cancels_as_well(openai: OpenAI, server: RunningServer):
    with pytest.raises(sdk.APITimeoutError):
        ask(openai.with_options(timeout=2.0), "!sleep 120\n!say Too late.", metadata={"left": "1"})

    newest = server.client.get("/v1/runs", params={"limit": 1}).json()["items"][0]
    assert until_cancelled(server, newest["run_id"])


def test_a_failure_on_the_way_is_raised_by_the_client(openai: OpenAI):
    with pytest.raises(sdk.APIError, match="Agent error"):
        stream(openai, "!fail auth")


def test_a_failure_before_the_beginning_has_its_status(openai: OpenAI):
    with pytest.raises(sdk.NotFoundError):
        stream(openai, "hello", model="gpt-9")


def test_a_graph_of_several_nodes_tells_its_outcome(openai: OpenAI):
    chunks = stream(openai, "!say a draft", model="approval")

    assert text_of(chunks) == "Publish this?\n\na draft"
    assert chunks[-1].awaiting_input is True
    assert chunks[-1].run_id == run_of(chunks[0])


def test_the_frames_are_server_sent_events_and_end_with_done(server: RunningServer):
    body = {"model": "chat", "stream": True, "messages": [{"role": "user", "content": "hello"}]}

    answer = server.client.post("/openai/v1/chat/completions", json=body)

    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.headers["X-Run-Id"]
    assert answer.text.endswith("data: [DONE]\n\n")
    assert all(frame.startswith(("data: ", ":")) for frame in answer.text.split("\n\n") if frame)
