"""POST /openai/v1/chat/completions, answered whole. Each is a run."""

from typing import Any

import openai as sdk
import pytest
from openai import OpenAI

from tests.chat.openai_api.conftest import AsRole, client_of
from tests.chat.openai_api.talking import SCRIPTED, TOOL_TALK, ask, run_of, user
from tests.server import RunningServer

PIXEL = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}


def messages_of(server: RunningServer, run_id: str) -> list[dict[str, Any]]:
    """What the run's model was told, and said."""
    state = server.client.get(f"/v1/runs/{run_id}/state").json()["state"]
    found: list[dict[str, Any]] = state["messages"]
    return found


def started_of(server: RunningServer, run_id: str) -> dict[str, Any]:
    page = server.client.get(f"/api/v1/runs/{run_id}/events", params={"limit": 1}).json()
    payload: dict[str, Any] = page["events"][0]["payload"]
    return payload


def test_a_completion_has_text_reason_and_usage(openai: OpenAI):
    completion = ask(openai, "!usage 12 5\n!say Two files.")

    [choice] = completion.choices
    assert (choice.message.role, choice.message.content) == ("assistant", "Two files.")
    assert choice.finish_reason == "stop"
    assert completion.model == SCRIPTED
    assert completion.usage.model_dump(exclude_none=True) == {
        "prompt_tokens": 12,
        "completion_tokens": 5,
        "total_tokens": 17,
        "prompt_tokens_details": {"cached_tokens": 0},
    }


def test_it_is_a_run_like_any_other(openai: OpenAI, server: RunningServer):
    completion = ask(openai, TOOL_TALK, metadata={"ticket": "T-1"})

    assert completion.choices[0].message.content == "Let me see.\nIt is 42."
    assert completion.choices[0].message.tool_calls is None
    run = server.client.get(f"/v1/runs/{run_of(completion)}").json()
    assert run["status"] == "done"
    assert started_of(server, run_of(completion))["trigger_source"] == "openai"
    assert server.client.get(f"/api/v1/runs/{run_of(completion)}").json()["tool_call_count"] == 1


def test_the_conversation_is_what_the_model_is_told(openai: OpenAI, server: RunningServer):
    completion = openai.chat.completions.create(
        model=SCRIPTED,
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "one"}]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "calculate", "arguments": '{"expression": "1+1"}'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "2"},
            {"role": "assistant", "content": "It is 2."},
            {"role": "developer", "content": "Be kind."},
            {"role": "user", "content": "two"},
        ],
    )

    assert started_of(server, run_of(completion))["system_prompt"] == "Be brief.\n\nBe kind."
    told = messages_of(server, run_of(completion))
    assert [message["role"] for message in told] == [
        "user", "assistant", "tool", "assistant", "user", "assistant",
    ]  # fmt: skip
    assert told[1]["tool_uses"][0]["args"] == {"expression": "1+1"}
    assert (told[2]["call_id"], told[2]["result"]) == ("c1", "2")
    assert told[-1]["text"] == "You said: two"


def test_parameters_reach_the_provider(openai: OpenAI, server: RunningServer):
    completion = ask(
        openai, "hello", temperature=0.5, max_completion_tokens=77, seed=1, stop=["END"]
    )

    assert started_of(server, run_of(completion))["params"] == {
        "temperature": 0.5, "max_tokens": 77, "seed": 1, "stop_sequences": ["END"],
    }  # fmt: skip


def test_the_assistant_has_its_character_unless_the_client_brings_one(
    openai: OpenAI, server: RunningServer
):
    ours = started_of(server, run_of(ask(openai, "hello", model="chat")))
    theirs = openai.chat.completions.create(
        model="chat",
        messages=[
            {"role": "system", "content": "You are a parrot."},
            {"role": "user", "content": "x"},
        ],
    )

    assert "Your name is" in ours["system_prompt"]
    assert started_of(server, run_of(theirs))["system_prompt"] == "You are a parrot."


def test_a_graph_is_a_model(openai: OpenAI, server: RunningServer):
    completion = ask(openai, "!say forty-two", model="agent")

    assert completion.choices[0].message.content == "forty-two"
    assert started_of(server, run_of(completion))["graph_id"] == "agent"


def test_a_graph_that_asks_says_its_question(openai: OpenAI):
    completion = ask(openai, "!say a draft", model="approval")

    assert completion.choices[0].message.content == "Publish this?\n\na draft"
    assert completion.awaiting_input is True
    assert completion.run_id == run_of(completion)


def test_a_run_that_asks_is_answered_by_the_next_message(openai: OpenAI):
    script = '!say Well.\n!tool ask_human {"prompt": "Which colour?"}\n!turn\n!say Thank you.'

    asked = ask(openai, script)
    answered = ask(openai, "green", extra_body={"run_id": asked.run_id})

    assert asked.choices[0].message.content == "Well.\nWhich colour?"
    assert answered.choices[0].message.content == "Thank you."
    assert run_of(answered) == asked.run_id
    with pytest.raises(sdk.ConflictError):
        ask(openai, "blue", extra_body={"run_id": asked.run_id})


def test_somebody_elses_run_cannot_be_answered(openai: OpenAI, as_role: AsRole):
    asked = ask(openai, '!tool ask_human {"prompt": "Which colour?"}\n!turn\n!say Thanks.')

    with pytest.raises(sdk.NotFoundError):
        ask(as_role("user"), "green", extra_body={"run_id": asked.run_id})


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"model": "gpt-9"}, "model", "model_not_found"),
        ({"model": None}, "model", "invalid_value"),
        ({"messages": []}, "messages", "invalid_value"),
        ({"messages": [{"role": "user", "content": " "}]}, "messages[0].content", None),
        ({"messages": [{"role": "assistant", "content": "hi"}]}, "messages", None),
        ({"messages": [{"role": "king", "content": "hi"}]}, "messages[0].role", None),
        ({"messages": [{"role": "tool", "content": "2", "tool_call_id": "x"}]},
         "messages[0].tool_call_id", None),
        ({"messages": [{"role": "assistant", "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "user", "content": "hi"}]}, "messages[1]", None),
        ({"messages": [{"role": "user", "content": [PIXEL]}]}, "messages[0].content[0]",
         "unsupported_content"),
        ({"messages": [{"role": "user", "content": 5}]}, None, "invalid_value"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools",
         "unsupported_parameter"),
        ({"functions": [{"name": "f"}]}, "functions", "unsupported_parameter"),
        ({"n": 2}, "n", "unsupported_parameter"),
        ({"response_format": {"type": "json_object"}}, "response_format", "unsupported_parameter"),
        ({"logprobs": True}, "logprobs", "unsupported_parameter"),
        ({"temperature": 3}, "temperature", "invalid_value"),
        ({"temperature": "hot"}, "temperature", "invalid_value"),
        ({"max_tokens": 0}, "max_tokens", "invalid_value"),
        ({"stream": "yes"}, "stream", "invalid_value"),
        ({"metadata": {"k": "v" * 300}}, "metadata", None),
        ({"run_id": "no/run"}, "run_id", "invalid_value"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_and_starts_nothing(
    server: RunningServer, fields: dict[str, Any], param: str | None, code: str | None
):
    before = server.client.get("/v1/runs").json()["total"]
    body = {"model": SCRIPTED, "messages": [user("hello")], **fields}

    answer = server.client.post("/openai/v1/chat/completions", json=body)

    error = answer.json()["error"]
    assert answer.status_code == (404 if code == "model_not_found" else 400)
    assert error["type"] == "invalid_request_error" and error["message"]
    assert param is None or error["param"] == param
    assert code is None or error["code"] == code
    assert server.client.get("/v1/runs").json()["total"] == before


@pytest.mark.parametrize("content", ["{", "[]", '{"messages": [{"role": "user", "content": "x"}]}'])
def test_what_is_no_request_is_refused(server: RunningServer, content: str):
    answer = server.client.post("/openai/v1/chat/completions", content=content)

    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("kind", "status"), [("auth", 502), ("rate_limit", 503), ("overloaded", 503), ("timeout", 504)]
)
def test_a_provider_that_fails_is_an_error_of_the_server(openai: OpenAI, kind: str, status: int):
    with pytest.raises(sdk.APIStatusError) as failed:
        ask(openai, f"!fail {kind}")

    assert failed.value.status_code == status
    assert failed.value.type == "server_error"


@pytest.mark.parametrize("role", ["viewer", "responder"])
def test_it_takes_the_right_to_chat_and_to_start_runs(as_role: AsRole, role: str):
    with pytest.raises(sdk.PermissionDeniedError):
        ask(as_role(role), "hello")


def test_a_limited_key_that_is_spent_gets_no_completion(server: RunningServer):
    users = "/api/settings/auth/users"
    user_id = server.client.post(users, json={}).json()["id"]
    issued = server.client.post(f"{users}/{user_id}/api-keys", json={"spending_limit_usd": 1})

    with client_of(server, issued.json()["key"]) as client:
        ask(client, "!usage 1000000 0\n!say All of it.")
        with pytest.raises(sdk.RateLimitError) as refused:
            ask(client, "more")

    assert refused.value.type == "insufficient_quota"
    assert refused.value.code == "spending_limit_reached"
    assert "Spending limit reached" in refused.value.message


def test_a_request_that_is_sent_again_with_its_key_is_one_run(openai: OpenAI):
    headers = {"Idempotency-Key": "once-and-again"}

    first = ask(openai, "once", extra_headers=headers)
    again = ask(openai, "once", extra_headers=headers)

    assert (again.id, again.choices) == (first.id, first.choices)
    with pytest.raises(sdk.ConflictError):
        ask(openai, "twice", extra_headers=headers)
