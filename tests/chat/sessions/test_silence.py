"""Conversations that silence ends, and what is kept of them."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.chat.conftest import AsRole
from tests.chat.gateway import Gateway, new_key
from tests.chat.stored_settings import stored_settings
from tests.runs.api.daemon import change_stored, read_stored
from tests.server import RunningServer


@pytest.fixture
def user(as_role: AsRole) -> Gateway:
    return as_role("user")


def age(server: RunningServer, session_id: str, at: str = "2020-01-02 03:04:05+00:00") -> None:
    """As if nobody had said anything since."""
    change_stored(
        server, "UPDATE chat_session SET last_message_at = %s WHERE id = %s", at, session_id
    )


def exported(server: RunningServer, session_id: str) -> tuple[str, str]:
    """Name and content of the document; empty when there is none."""
    like = f"memory/sessions/%-{session_id[:8]}.md"
    found = "FROM chat_memorydocument WHERE name LIKE %s"
    if not read_stored(server, f"SELECT count(*) {found}", like):
        return "", ""
    return (
        read_stored(server, f"SELECT name {found}", like),
        read_stored(server, f"SELECT content {found}", like),
    )


@pytest.mark.parametrize("channel", ["telegram", "email", "slack"])
def test_after_a_gap_another_conversation_begins(
    user: Gateway, server: RunningServer, channel: str
):
    first = user.chat("hello", channel_id=channel)["session_id"]
    same = user.chat("still me", channel_id=channel)["session_id"]
    age(server, first)
    second = user.chat("back again", channel_id=channel)["session_id"]

    closed = user.get(f"/api/sessions/{first}")
    assert (first == same, first == second) == (True, False)
    assert (closed["is_closed"], closed["summary"]) == (True, "Auto-closed: inactivity")


def test_the_gap_of_telegram_is_that_of_the_settings(user: Gateway, server: RunningServer):
    session_id = user.chat("hello", channel_id="telegram")["session_id"]
    ten_minutes_ago = str(datetime.now(UTC) - timedelta(minutes=10))

    age(server, session_id, ten_minutes_ago)
    by_default = user.chat("back", channel_id="telegram")["session_id"]
    age(server, session_id, ten_minutes_ago)
    with stored_settings(server, "telegram", gap_minutes=5):
        by_setting = user.chat("back again", channel_id="telegram")["session_id"]

    assert by_default == session_id
    assert by_setting != session_id


def test_in_main_a_key_goes_on_for_ever(user: Gateway, server: RunningServer):
    key = new_key()
    first = user.chat("hello", channel_session_key=key)["session_id"]
    age(server, first)

    assert user.chat("back", channel_session_key=key)["session_id"] == first


def test_the_transcript_of_a_closed_conversation_is_kept_in_memory(
    user: Gateway, server: RunningServer
):
    script = (
        'Größe & PLAN: !\n!say Let me see.\n!tool calculate {"expression": "6*7"}\n!turn\n!say 42'
    )
    session_id = user.chat(script, channel_id="telegram")["session_id"]
    age(server, session_id)
    user.chat("back", channel_id="telegram")

    name, content = exported(server, session_id)

    assert name.startswith("memory/sessions/größe---plan----")
    for said in ("## user, ", "Größe & PLAN", "Let me see.", "calculate {", "## tool result"):
        assert said in content


def test_nothing_is_exported_when_settings_say_so(user: Gateway, server: RunningServer):
    with stored_settings(server, "memory", export_sessions=False):
        session_id = user.chat("hello", channel_id="telegram")["session_id"]
        age(server, session_id)
        user.chat("back", channel_id="telegram")

    assert exported(server, session_id) == ("", "")
    assert user.get(f"/api/sessions/{session_id}")["is_closed"] is True
