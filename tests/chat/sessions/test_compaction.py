"""Conversations that outgrow their room."""

import json
from dataclasses import dataclass
from typing import Any

from tests.chat.gateway import Gateway, new_key
from tests.chat.stored_settings import stored_settings
from tests.runs.api.daemon import read_stored
from tests.server import RunningServer

HEADING = "[Summary of the conversation before this point]"
LONG = "word " * 300  # 500 of the estimate's tokens


@dataclass(frozen=True)
class StoredRun:
    run_id: str
    graph_id: str
    trigger_source: str
    goal: str
    metadata: dict[str, str]


def runs_of(gateway: Gateway, server: RunningServer, session_id: str) -> list[StoredRun]:
    """The runs for a session, the newest first."""
    ids = [item["run_id"] for item in gateway.get("/v1/runs", limit=20)["items"]]
    runs = [_stored(server, run_id) for run_id in ids]
    return [run for run in runs if run.metadata.get("session_id") == session_id]


def _stored(server: RunningServer, run_id: str) -> StoredRun:
    def read(query: str) -> Any:
        return read_stored(server, query, run_id)

    metadata = read("SELECT metadata FROM runs_run WHERE id = %s")
    return StoredRun(
        run_id,
        graph_id=read("SELECT graph_id FROM runs_run WHERE id = %s"),
        trigger_source=read("SELECT trigger_source FROM runs_run WHERE id = %s"),
        goal=read("SELECT goal FROM runs_run WHERE id = %s"),
        metadata=json.loads(metadata) if isinstance(metadata, str) else metadata,
    )


def messages_of(gateway: Gateway, run_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = gateway.get(f"/v1/runs/{run_id}/state")["state"]["messages"]
    return found


def test_what_is_dropped_is_summed_up_on_record_and_stands_first(
    gateway: Gateway, server: RunningServer
):
    key = new_key()

    with stored_settings(server, "compaction", context_budget=1_000, summary_max_tokens=100):
        for number in range(3):
            reply = gateway.chat(f"{number} {LONG}", channel_session_key=key)
        last = gateway.chat("what did I say?", channel_session_key=key)

    session_id = reply["session_id"]
    newest, compaction, *_ = runs_of(gateway, server, session_id)
    assert (newest.graph_id, compaction.graph_id) == ("chat", "compact")
    assert compaction.trigger_source == "compaction"
    assert newest.metadata["compaction_run"] == compaction.run_id
    assert newest.metadata["messages_dropped"] == compaction.metadata["messages"]
    assert "user: 0 word" in compaction.goal or HEADING in compaction.goal
    messages = messages_of(gateway, newest.run_id)
    assert messages[0]["role"] == "user"
    assert messages[0]["text"].startswith(HEADING)
    assert len(messages[0]["text"]) <= len(HEADING) + 1 + 300
    assert messages[1]["role"] == "user"
    assert messages[-2]["text"] == "what did I say?"
    assert last["text"] == "You said: what did I say?"


def test_the_transcript_and_the_list_know_nothing_of_it(gateway: Gateway, server: RunningServer):
    key = new_key()

    with stored_settings(server, "compaction", context_budget=1_000):
        for number in range(3):
            session_id = gateway.chat(f"{number} {LONG}", channel_session_key=key)["session_id"]

    rows = gateway.get(f"/api/sessions/{session_id}/messages")
    assert [row["role"] for row in rows] == ["user", "assistant"] * 3
    assert gateway.get(f"/api/sessions/{session_id}")["message_count"] == 3


def test_so_many_of_the_newest_messages_are_always_kept(gateway: Gateway, server: RunningServer):
    key = new_key()

    with stored_settings(server, "compaction", context_budget=1_000, min_keep_messages=6):
        for number in range(4):
            session_id = gateway.chat(f"{number} {LONG}", channel_session_key=key)["session_id"]

    newest = runs_of(gateway, server, session_id)[0]
    messages = messages_of(gateway, newest.run_id)
    kept = [message for message in messages if not message["text"].startswith(HEADING)]
    assert len(kept) >= 6 + 2


def test_a_summary_that_cannot_be_made_holds_nobody_up(gateway: Gateway, server: RunningServer):
    key = new_key()
    # Of two lines that a model might take for its script, only what is quoted gets to it.
    failing = f"{LONG}\n!fail auth"

    with stored_settings(server, "compaction", context_budget=1_000):
        for _ in range(2):
            gateway.post_chat(failing, channel_session_key=key)
        gateway.post_chat(LONG, channel_session_key=key)
        answered = gateway.chat("and now?", channel_session_key=key)

    assert answered["text"] == "You said: and now?"
