"""Transcripts: rows that mirror the logs of a session's runs.

A log is mirrored when its run ends, and whenever somebody reads the transcript before. Which event
a row is of is unique, so mirroring again adds what is new and nothing else.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import models
from django.db.models import Max

from chat.models import Exchange, Message, Session
from project.lib.db import write_transaction
from runs.log.events import StoredEvent, to_json
from runs.log.read import walk_events

RESULT_BYTES = 500


@dataclass(frozen=True, slots=True)
class Row:
    role: str
    content: str


def transcript_of(session: Session) -> list[Message]:
    """Everything said in a session, in order and up to now."""
    if session.exchanges.filter(status=Exchange.Status.RUNNING).exists():
        with write_transaction():
            # Rows of a session are added under its lock: two who add the same ones would wait for
            # each other.
            locked: models.QuerySet[Session] = Session.objects.select_for_update()
            if locked.filter(pk=session.pk).first() is not None:
                mirror_open_run(session)
    return list(session.messages.order_by("id"))


def mirror_open_run(session: Session) -> None:
    """Take in what the run under way has said so far. The caller holds the session's lock."""
    running = session.exchanges.filter(status=Exchange.Status.RUNNING).exclude(run_id="")
    running = running.exclude(kind=Exchange.Kind.COMPACTION)  # nobody said that
    for run_id in running.values_list("run_id", flat=True).distinct():
        mirror_run(session, run_id)


def mirror_run(session: Session, run_id: str) -> None:
    """Add the rows of a run's log that the transcript lacks. The caller holds its lock."""
    known = session.messages.filter(run_id=run_id).aggregate(seq=Max("seq"))["seq"] or 0
    rows = [
        Message(
            session=session,
            role=row.role,
            content=row.content,
            run_id=run_id,
            seq=event.seq,
            part=part,
            timestamp=datetime.fromtimestamp(event.ts / 1e9, UTC),
        )
        for event in walk_events(run_id, after=known)
        for part, row in enumerate(rows_of(event))
    ]
    Message.objects.bulk_create(rows, ignore_conflicts=True)


def rows_of(event: StoredEvent) -> Iterator[Row]:
    """What an event adds to a transcript."""
    data = event.data
    match event.kind_name:
        case "AssistantMessageCompleted":
            if data["text"]:
                yield Row(Message.Role.ASSISTANT, data["text"])
            for use in data.get("tool_uses") or ():
                yield Row(Message.Role.TOOL_USE, _json(tool_use_of(use)))
        case "ToolCallCompleted" | "ToolCallFailed":
            if event.kind_name == "ToolCallCompleted" or data.get("final"):
                yield Row(Message.Role.TOOL_RESULT, _json(tool_result_of(event)))
        case "InputRequested":
            yield Row(Message.Role.ASSISTANT, data["prompt"])


def tool_use_of(use: dict[str, Any]) -> dict[str, Any]:
    """A call as clients of transcripts and sockets see it."""
    return {
        "type": "tool_use",
        "id": use["call_id"],
        "name": use["tool"],
        "input": use["args"] if isinstance(use["args"], dict) else {},
    }


def tool_result_of(event: StoredEvent) -> dict[str, Any]:
    """Its outcome, cut to 500 bytes."""
    data = event.data
    is_error = event.kind_name == "ToolCallFailed"
    return {
        "type": "tool_result",
        "tool_use_id": data["call_id"],
        "content": cut(data["error"] if is_error else text_of(data["result"]), RESULT_BYTES),
        "is_error": is_error,
    }


def text_of(result: Any) -> str:
    """A tool's result as text: a wrapped scalar bare, anything else as JSON."""
    if isinstance(result, dict) and result.keys() == {"result"}:
        result = result["result"]
    return result if isinstance(result, str) else to_json(result).decode()


def cut(text: str, limit: int) -> str:
    """At most `limit` bytes of UTF-8, cut at a character, with `...` for the rest."""
    encoded = text.encode()
    if len(encoded) <= limit:
        return text
    return encoded[:limit].decode(errors="ignore") + "..."


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
