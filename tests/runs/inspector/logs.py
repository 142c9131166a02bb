"""Runs with the logs that these tests look at, written by the log's own writer."""

from collections.abc import Sequence
from typing import Any

from django.db import connection

from project.lib.db import write_transaction
from runs.event_types import (
    AssistantMessageCompleted,
    Payload,
    RunStarted,
    ToolCallCompleted,
    ToolCallScheduled,
    TurnStarted,
    UserMessageAppended,
)
from runs.graphs.registry import built_in_graphs
from runs.log.append import RunTail, commit
from runs.models import Run

TURN = "01TURN"
STARTED = RunStarted(1, "goal", "scripted", "scripted", "v0")


def answer(text: str, **fields: Any) -> AssistantMessageCompleted:
    return AssistantMessageCompleted(TURN, text, "stop", 1227, 30, 0.0024, **fields)


def tool_turn(args: Any = None, result: Any = None) -> list[Payload]:
    """One turn that calls a tool, up to the tool's outcome."""
    return [
        STARTED,
        TurnStarted(TURN, b"\x00" * 32, 1),
        answer("", tool_uses=[{"call_id": "c1", "tool": "now", "args": args or {}}]),
        ToolCallScheduled("c1", TURN, "now", args or {}),
        ToolCallCompleted("c1", result or {"result": 1}, 7),
    ]


def plain_turn(text: str = "done") -> list[Payload]:
    return [STARTED, TurnStarted(TURN, b"\x00" * 32, 1), answer(text)]


def long_log(count: int) -> list[Payload]:
    return [STARTED, *(UserMessageAppended(f"message {number}") for number in range(2, count + 1))]


def write_run(
    payloads: Sequence[Payload] = (), *, end: str = "completed", started_ns: int = 0, **fields: Any
) -> Run:
    """A run whose log holds `payloads` and an end: completed, failed, cancelled or none (`""`)."""
    fields.setdefault("goal", "goal")
    built_in = built_in_graphs().get(fields.get("graph_id", "agent"))
    if built_in is not None:
        fields.setdefault("graph_hash", built_in.hash)
    run = Run.objects.create(status="running", lease_token="mine", **fields)
    tail = RunTail.load(run, lease_token="mine")
    first, *rest = payloads or plain_turn()
    tail.add(first, started_ns or None)
    for payload in rest:
        tail.add(payload)
    if end == "completed":
        tail.add_completed("done")
    elif end == "failed":
        tail.add_failed("the provider said <no>", "provider")
    elif end == "cancelled":
        tail.add_cancelled("context_canceled")
    with write_transaction():
        commit([tail.stage()])
    run.refresh_from_db()
    return run


def change(run: Run, seq: int, column: str, value: Any) -> None:
    """Tamper with a stored event."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE runs_event SET {column} = %s WHERE run_id = %s AND seq = %s",  # noqa: S608
            [value, run.id, seq],
        )


def flip_a_byte(run: Run, seq: int) -> None:
    payload = bytes(run.events.get(seq=seq).payload or b"")
    middle = len(payload) // 2
    change(
        run, seq, "payload", payload[:middle] + bytes([payload[middle] ^ 1]) + payload[middle + 1 :]
    )
