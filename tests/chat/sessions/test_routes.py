"""/api/sessions…: what a caller sees of conversations, and the marks it sets on them."""

import json
import re

import pytest

from tests.chat.conftest import AsRole
from tests.chat.gateway import Gateway, new_key
from tests.server import RunningServer

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00")
UNKNOWN = "8a0bd0f8-6d0c-4b34-9d3e-000000000000"


@pytest.fixture
def user(as_role: AsRole) -> Gateway:
    return as_role("user")


def test_a_session_has_exactly_the_fields_of_the_wire(user: Gateway):
    key = new_key()
    session_id = user.chat("What is new?", channel_session_key=key)["session_id"]

    (listed,) = user.get("/api/sessions")
    read = user.get(f"/api/sessions/{session_id}")

    assert listed == read
    assert MOMENT.fullmatch(listed.pop("created_at"))
    assert MOMENT.fullmatch(listed.pop("last_message_at"))
    assert listed.pop("user_id")
    assert listed == {
        "id": session_id,
        "is_closed": False,
        "summary": None,
        "title": "What is new?",
        "message_count": 1,
        "channel": "main",
        "channel_session_key": key,
        "is_read": True,
        "is_archived": False,
        "triggered_by": None,
    }


def test_a_transcript_is_in_order_with_its_tool_calls(user: Gateway):
    script = '!say Let me see.\n!tool calculate {"expression": "6*7"}\n!turn\n!say It is 42.'
    session_id = user.chat(script)["session_id"]

    rows = user.get(f"/api/sessions/{session_id}/messages")

    assert [row["role"] for row in rows] == [
        "user", "assistant", "tool_use", "tool_result", "assistant",
    ]  # fmt: skip
    assert rows == sorted(rows, key=lambda row: row["id"])
    assert all(set(row) == {"id", "session_id", "role", "content", "timestamp"} for row in rows)
    assert all(MOMENT.fullmatch(row["timestamp"]) for row in rows)
    assert (rows[0]["content"], rows[1]["content"]) == (script, "Let me see.")
    use, result = json.loads(rows[2]["content"]), json.loads(rows[3]["content"])
    assert use == {
        "type": "tool_use", "id": use["id"], "name": "calculate", "input": {"expression": "6*7"},
    }  # fmt: skip
    assert result == {
        "type": "tool_result", "tool_use_id": use["id"], "content": "42", "is_error": False,
    }  # fmt: skip


def test_a_call_that_fails_is_an_error_in_the_transcript(user: Gateway):
    script = '!tool calculate {"expression": "1/0"}\n!turn\n!say Oh.'

    session_id = user.chat(script)["session_id"]

    rows = user.get(f"/api/sessions/{session_id}/messages")
    [result] = [json.loads(row["content"]) for row in rows if row["role"] == "tool_result"]
    assert result["is_error"] is True


def test_an_answer_does_not_move_a_conversation(user: Gateway):
    session_id = user.chat("!sleep 0.2\n!say late")["session_id"]

    asked, answered = user.get(f"/api/sessions/{session_id}/messages")
    session = user.get(f"/api/sessions/{session_id}")
    assert session["last_message_at"] == asked["timestamp"] < answered["timestamp"]
    assert session["message_count"] == 1


def test_a_long_result_is_cut_at_500_bytes_and_at_a_character(user: Gateway, server: RunningServer):
    files = server.data_dir / "files"
    files.mkdir(exist_ok=True)
    (files / "long.txt").write_text("ü" * 400)
    script = '!tool read_file {"path": "long.txt"}\n!turn\n!say Long.'
    session_id = user.chat(script)["session_id"]

    rows = user.get(f"/api/sessions/{session_id}/messages")

    content = json.loads(rows[2]["content"])["content"]
    assert len(content.encode()) in (502, 503)  # one byte of the last letter did not fit
    assert content.endswith("ü...")


def test_the_newest_message_comes_first_and_a_limit_counts(user: Gateway):
    first_key = new_key()
    first = user.chat("one", channel_session_key=first_key)["session_id"]
    second = user.chat("two")["session_id"]
    user.chat("three", channel_session_key=first_key)

    ids = [row["id"] for row in user.get("/api/sessions")]

    assert ids == [first, second]
    assert [row["id"] for row in user.get("/api/sessions", limit=1)] == [first]
    assert user.get("/api/sessions", limit=0) == []
    assert len(user.get("/api/sessions", limit=10**30)) == 2


@pytest.mark.parametrize("limit", ["-1", "many", "1.5", ""])
def test_a_limit_that_is_no_number_is_refused(user: Gateway, limit: str):
    answer = user.client.get("/api/sessions", params={"limit": limit})

    assert answer.status_code == 400
    assert "limit" in answer.json()["error"]


def test_read_and_unread_are_marks_of_the_session(user: Gateway):
    session_id = user.chat("hello")["session_id"]

    answers = [
        user.client.post(f"/api/sessions/{session_id}/read", json=body)
        for body in ({"is_read": False}, {})
    ]
    marks = []
    for body in ({"is_read": False}, {}, {"is_read": None}):
        user.client.post(f"/api/sessions/{session_id}/read", json={"is_read": False})
        user.client.post(f"/api/sessions/{session_id}/read", json=body)
        marks.append(user.get(f"/api/sessions/{session_id}")["is_read"])

    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, {"ok": True})] * 2
    assert marks == [False, True, True]


def test_an_archived_session_leaves_the_list_and_comes_back(user: Gateway):
    session_id = user.chat("hello")["session_id"]
    path = f"/api/sessions/{session_id}/archive"

    assert user.client.post(path, json={"archived": True}).json() == {"ok": True}
    assert user.get("/api/sessions") == []
    assert user.get(f"/api/sessions/{session_id}")["is_archived"] is True
    user.client.post(path, json={"archived": False})

    assert [row["id"] for row in user.get("/api/sessions")] == [session_id]


def test_a_mark_needs_its_body(user: Gateway):
    session_id = user.chat("hello")["session_id"]

    def status(action: str, content: str) -> int:
        return user.client.post(
            f"/api/sessions/{session_id}/{action}",
            content=content,
            headers={"Content-Type": "application/json"},
        ).status_code

    assert status("archive", "{}") == 422
    assert status("archive", '{"archived": "yes"}') == 422
    assert status("read", '{"is_read": 1}') == 422
    assert status("read", "") == 400
    assert user.client.post(f"/api/sessions/{session_id}/read").status_code == 415


@pytest.mark.parametrize("method, suffix", [
    ("GET", ""), ("GET", "/messages"), ("POST", "/read"), ("POST", "/archive"),
])  # fmt: skip
def test_other_peoples_sessions_are_not_found_like_unknown_ones(
    user: Gateway, as_role: AsRole, method: str, suffix: str
):
    session_id = user.chat("mine")["session_id"]
    stranger = as_role("user")

    for unseen in (session_id, UNKNOWN, "no%00pe"):
        body = {"archived": True, "is_read": False} if method == "POST" else None
        answer = stranger.client.request(method, f"/api/sessions/{unseen}{suffix}", json=body)

        assert (answer.status_code, answer.json()) == (404, {"error": "Session not found"})
    untouched = user.get(f"/api/sessions/{session_id}")
    assert (untouched["is_archived"], untouched["is_read"]) == (False, True)
    assert stranger.get("/api/sessions") == []


def test_an_admin_sees_everybodys_sessions(user: Gateway, gateway: Gateway):
    session_id = user.chat("theirs")["session_id"]

    assert session_id in [row["id"] for row in gateway.get("/api/sessions", limit=200)]
    assert len(gateway.get(f"/api/sessions/{session_id}/messages")) == 2


def test_sessions_ask_for_the_capability_to_chat(as_role: AsRole, server: RunningServer):
    assert as_role("viewer").client.get("/api/sessions").status_code == 403
    assert server.anonymous.get("/api/sessions").status_code == 401


def test_a_trailing_slash_is_another_path(user: Gateway):
    assert user.client.get("/api/sessions/").status_code == 404


def test_a_title_is_the_first_text_cut_at_a_hundred_characters(user: Gateway):
    key = new_key()
    session_id = user.chat("ü" * 150, channel_session_key=key)["session_id"]
    user.chat("something else", channel_session_key=key)

    session = user.get(f"/api/sessions/{session_id}")

    assert session["title"] == "ü" * 100 + "..."
    assert session["message_count"] == 2


@pytest.mark.parametrize(
    ("channel_id", "channel"),
    [(None, "main"), ("main", "main"), ("web", "main"), ("scheduler", "main"), ("?", "main"),
     ("telegram", "telegram"), ("email", "email"), ("slack", "slack")],
)  # fmt: skip
def test_a_channel_is_known_or_main(user: Gateway, channel_id: str | None, channel: str):
    session_id = user.chat("hello", channel_id=channel_id)["session_id"]

    assert user.get(f"/api/sessions/{session_id}")["channel"] == channel
