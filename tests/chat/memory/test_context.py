"""What a conversation is told of its user: from when it begins, and for as long as it lasts."""

import json
from typing import Any

import pytest

from tests.chat.conftest import AsRole
from tests.chat.gateway import Gateway, new_key
from tests.chat.memory.test_gateway import remember
from tests.chat.stored_settings import stored_settings
from tests.server import RunningServer

DAYS = ("2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04")


@pytest.fixture
def user(as_role: AsRole) -> Gateway:
    return as_role("user")


def told(user: Gateway, text: str = "hello", **fields: Any) -> str:
    """The system prompt of the run that answers."""
    user.chat(text, **fields)
    newest = user.get("/v1/runs", limit=1)["items"][0]["run_id"]
    started = user.get(f"/api/v1/runs/{newest}/events", limit=1)["events"][0]
    prompt: str = started["payload"]["system_prompt"]
    return prompt


def test_it_is_told_who_both_are_and_the_logs_of_the_last_three_days(user: Gateway):
    calls = [("USER.md", "A captain."), ("MEMORY.md", "Likes tea.")]
    calls += [(f"memory/{day}.md", f"Sailed on {day}.") for day in DAYS]
    writes = [json.dumps({"file": file, "content": content}) for file, content in calls]
    user.chat("\n".join([*(f"!tool memory_write {write}" for write in writes), "!turn", "!say x"]))

    prompt = told(user)

    headings = [line[4:-4] for line in prompt.splitlines() if line.startswith("--- ")]
    assert headings == ["SOUL.md", "USER.md", "MEMORY.md", *(f"memory/{d}.md" for d in DAYS[1:])]
    assert "--- USER.md ---\nA captain." in prompt
    assert "--- MEMORY.md ---\nLikes tea." in prompt
    assert DAYS[0] not in prompt


def test_of_a_long_document_it_is_told_the_beginning(user: Gateway, server: RunningServer):
    remember(user, "USER.md", "ü" * 100)

    with stored_settings(server, "memory", bootstrap_file_cap=21):
        prompt = told(user)

    assert f"--- USER.md ---\n{'ü' * 10}\n" in prompt


def test_it_keeps_what_it_was_told_and_the_next_one_is_told_anew(user: Gateway):
    key = new_key()
    remember(user, "USER.md", "A captain.")
    began = told(user, channel_session_key=key)

    remember(user, "USER.md", "A cook.")

    assert told(user, channel_session_key=key) == began
    assert "A captain." in began
    assert "A cook." in told(user, channel_session_key=new_key())
