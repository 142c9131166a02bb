"""POST /api/chat: a message, answered whole."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.chat.conftest import AsRole
from tests.chat.gateway import Gateway, new_key
from tests.server import RunningServer


def test_an_answer_has_its_text_session_and_usage(gateway: Gateway):
    reply = gateway.chat("!usage 12 5\n!say Two files.")

    assert list(reply) == ["text", "session_id", "usage"]
    assert reply["text"] == "Two files."
    assert reply["usage"] == {
        "input_tokens": 12,
        "output_tokens": 5,
        "cache_read_tokens": 0,
        "cache_write_tokens": 0,
        "cost_usd": pytest.approx(22e-6),
    }


def test_all_that_was_said_between_tool_calls_is_in_the_text(gateway: Gateway):
    script = '!say Let me see.\n!tool calculate {"expression": "6*7"}\n!turn\n!say It is 42.'

    assert gateway.chat(script)["text"] == "Let me see.\nIt is 42."


def test_the_same_key_goes_on_with_the_conversation(gateway: Gateway):
    key = new_key()

    first = gateway.chat("the first", channel_session_key=key)
    second = gateway.chat("the second", channel_session_key=key)

    assert first["session_id"] == second["session_id"]
    assert _texts_known_to_newest_run(gateway) == [
        "the first", "You said: the first", "the second", "You said: the second",
    ]  # fmt: skip


def test_without_a_key_each_message_begins_a_conversation(gateway: Gateway):
    assert gateway.chat("one")["session_id"] != gateway.chat("two")["session_id"]


def test_the_same_key_of_two_users_is_two_conversations(gateway: Gateway, as_role: AsRole):
    key = new_key()

    mine = gateway.chat("mine", channel_session_key=key)
    theirs = as_role("user").chat("theirs", channel_session_key=key)

    assert mine["session_id"] != theirs["session_id"]


def test_a_message_is_its_senders_whomever_it_names(gateway: Gateway, as_role: AsRole):
    user = as_role("user")
    me = user.get("/api/auth/verify")["user"]["id"]

    session_id = user.chat("hello", user_id="somebody-else")["session_id"]

    assert gateway.get(f"/api/sessions/{session_id}")["user_id"] == me


def test_files_are_an_unknown_field_here(gateway: Gateway):
    file = {"file_name": "a.txt", "mime_type": "text/plain", "data": "eA=="}

    reply = gateway.chat("hello", attachments=[file])

    assert reply["text"] == "You said: hello"
    assert "attachments" not in reply


def test_a_question_is_the_answer_and_the_next_message_its_response(gateway: Gateway):
    key = new_key()
    script = '!tool ask_human {"prompt": "Which colour?"}\n!turn\n!say Thank you.'

    asked = gateway.chat(script, channel_session_key=key)
    answered = gateway.chat("green", channel_session_key=key)

    assert asked["text"] == "Which colour?"
    assert asked["awaiting_input"] is True
    assert answered["text"] == "Thank you."
    assert "awaiting_input" not in answered
    run = gateway.get(f"/v1/runs/{asked['run_id']}")
    assert run["status"] == "done"


def test_messages_at_once_are_answered_one_after_the_other(gateway: Gateway):
    key = new_key()

    with ThreadPoolExecutor(4) as pool:
        replies = list(
            pool.map(lambda text: gateway.chat(text, channel_session_key=key), ["a", "b", "c", "d"])
        )

    assert [reply["text"] for reply in replies] == [f"You said: {text}" for text in "abcd"]
    known = _texts_known_to_newest_run(gateway)
    assert sorted(known[::2]) == ["a", "b", "c", "d"]
    assert known[1::2] == [f"You said: {text}" for text in known[::2]]


def test_a_message_that_is_sent_again_with_its_key_is_answered_once(gateway: Gateway):
    headers = {"Idempotency-Key": new_key()}
    body = {"text": "once", "channel_session_key": new_key()}

    first = gateway.client.post("/api/chat", json=body, headers=headers)
    again = gateway.client.post("/api/chat", json=body, headers=headers)
    other = gateway.client.post("/api/chat", json={**body, "text": "twice"}, headers=headers)

    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert other.status_code == 409


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("!fail auth", 502),
        ("!fail bad_request", 502),
        ("!fail rate_limit", 503),
        ("!fail overloaded", 503),
        ("!fail timeout", 504),
    ],
)
def test_a_model_that_fails_is_an_error(gateway: Gateway, script: str, status: int):
    answer = gateway.post_chat(script)

    assert answer.status_code == status
    assert answer.json()["error"].startswith("Chat error: ")


def test_what_was_said_is_kept_though_the_model_fails(as_role: AsRole):
    user = as_role("user")

    user.post_chat("!fail auth")

    [session] = user.get("/api/sessions")
    rows = user.get(f"/api/sessions/{session['id']}/messages")
    assert [(row["role"], row["content"]) for row in rows] == [("user", "!fail auth")]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ('{"text": ', 400, "valid JSON"),
        ("[]", 422, "object"),
        ("{}", 422, "text"),
        ('{"text": 5}', 422, "text"),
        ('{"text": "  "}', 400, "text"),
        ('{"text": "a\\u0000b"}', 400, "NUL"),
        ('{"text": "x", "channel_id": 1}', 422, "channel_id"),
        (
            '{"text": "x", "model": "scripted/other"}',
            400,
            "Chat error: Config error: model scripted/other is not in the allowed list",
        ),
    ],
)
def test_what_is_no_message_is_refused_and_opens_no_session(
    gateway: Gateway, body: str, status: int, said: str
):
    before = gateway.get("/v1/runs")["total"]

    answer = gateway.client.post(
        "/api/chat", content=body, headers={"Content-Type": "application/json"}
    )

    assert answer.status_code == status
    assert said in answer.json()["error"]
    assert gateway.get("/v1/runs")["total"] == before


def test_a_body_of_another_type_is_refused(gateway: Gateway):
    answer = gateway.client.post("/api/chat", data={"text": "hello"})

    assert answer.status_code == 415


def test_who_is_unknown_is_told_what_is_missing(server: RunningServer):
    missing = server.anonymous.post("/api/chat", content="nonsense")
    wrong = server.anonymous.post("/api/chat", headers={"X-API-Key": "sp_live_" + "0" * 40})

    assert (missing.status_code, missing.json()) == (
        401,
        {"error": "Missing API key — set X-API-Key header"},
    )
    assert (wrong.status_code, wrong.json()) == (401, {"error": "Invalid API key"})


def test_chatting_asks_for_its_capability(as_role: AsRole):
    assert as_role("viewer").post_chat("hello").status_code == 403


def test_every_answer_may_not_be_cached_and_has_an_id(gateway: Gateway):
    answer = gateway.post_chat("hello")

    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Request-Id"]


def test_an_unknown_path_is_not_found_in_json(gateway: Gateway):
    for path in ("/api/nothing", "/api/chat/"):
        answer = gateway.client.post(path, json={})

        assert (answer.status_code, answer.json()) == (404, {"error": "Not found"})


def _texts_known_to_newest_run(gateway: Gateway) -> list[str]:
    newest = gateway.get("/v1/runs", limit=1)["items"][0]["run_id"]
    messages = gateway.get(f"/v1/runs/{newest}/state")["state"]["messages"]
    return [message["text"] for message in messages]
