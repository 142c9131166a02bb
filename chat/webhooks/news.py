"""What is told of runs, approvals and instances: ids, statuses, times, totals and where to look.

Never what somebody or a model wrote: a goal, an answer or a question can be redacted in the log,
and what has been sent cannot be called back.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from chat.webhooks import event_types
from instances.models import Instance, StatusChange
from project.lib.clock import to_rfc3339
from runs.event_types import InputRequested
from runs.log.events import StoredEvent
from runs.models import Run

_TYPE_OF = {
    Run.Status.DONE: event_types.RUN_COMPLETED,
    Run.Status.FAILED: event_types.RUN_FAILED,
    Run.Status.ERROR: event_types.RUN_FAILED,
    Run.Status.CANCELLED: event_types.RUN_CANCELLED,
}


@dataclass(frozen=True, slots=True)
class News:
    """One thing that happened. `key` is that of the fact: the same whoever finds it."""

    type: str
    key: str
    at_ns: int  # Unix
    data: dict[str, Any]
    run_id: str = ""
    run_owner: str = ""  # the user who started that run

    def body(self) -> str:
        """As it is sent and signed."""
        content = {"type": self.type, "timestamp": to_rfc3339(self.at_ns), "data": self.data}
        return orjson.dumps(content).decode()


def of_ended_run(run: Run) -> News:
    assert run.finished_ns is not None
    data = {
        **_run_facts(run),
        "trigger_source": run.trigger_source,
        "started_by": run.actor or None,
        "parent_run_id": run.parent_id,
        "accepted_at": run.accepted_at.isoformat(timespec="microseconds"),
        "started_at": _moment(run.started_ns),
        "finished_at": _moment(run.finished_ns),
        "duration_ms": run.duration_ms,
        "turns": run.turn_count,
        "tool_calls": run.tool_call_count,
        "input_tokens": run.input_tokens,
        "output_tokens": run.output_tokens,
        "cost_usd": run.cost_usd,
        "error_type": run.error_type or None,
        "merkle_root": bytes(run.merkle_root).hex() if run.merkle_root else None,
    }
    event_type = _TYPE_OF[Run.Status(run.status)]
    return _about(run, event_type, f"run.ended:{run.id}", run.finished_ns, data)


def of_question(run: Run, event: StoredEvent) -> News:
    """`event` asks. What it asks, and whom by name, is in the log."""
    asked = event.typed() if event.payload is not None else None
    data = {**_run_facts(run, status=Run.Status.AWAITING_INPUT), "request_seq": event.seq}
    data["requested_at"] = _moment(event.ts)
    if isinstance(asked, InputRequested):
        data["node_id"] = asked.node_id or None
        data["requested_capability"] = asked.requested_capability or None
        data["deadline_at"] = _moment(asked.deadline_ns or None)
    data["links"] |= {
        "approval": f"/admin/approvals/{run.id}/",
        "respond": f"/v1/runs/{run.id}/respond",
    }
    key = f"{event_types.APPROVAL_REQUESTED}:{run.id}:{event.seq}"
    return _about(run, event_types.APPROVAL_REQUESTED, key, event.ts, data)


def of_answer(run: Run, event: StoredEvent) -> News:
    """`event` has the answer, which is nobody's business here."""
    actor = event.data.get("actor") if event.payload is not None else None
    data = {
        **_run_facts(run, status=Run.Status.RUNNING),
        "request_seq": event.seq - 1,
        "answered_at": _moment(event.ts),
        "answered_by": actor or None,
    }
    key = f"{event_types.APPROVAL_ANSWERED}:{run.id}:{event.seq}"
    return _about(run, event_types.APPROVAL_ANSWERED, key, event.ts, data)


def of_status_change(change: StatusChange) -> News:
    data = {
        "instance_id": change.instance_id,
        "name": change.instance.name or None,
        "previous_status": change.previous or None,
        "status": change.status,
        "cause": change.cause,
        "changed_at": change.at.isoformat(timespec="microseconds"),
        "links": {"instance": f"/api/instances/{change.instance_id}"},
    }
    kind = event_types.INSTANCE_STATUS_CHANGED
    return News(kind, f"{kind}:{change.pk}", _nanoseconds(change.at), data)


def of_giving_up(row: Instance) -> News:
    """Of one that is given up now: once for each time."""
    assert row.given_up_at is not None
    moment = row.given_up_at.isoformat(timespec="microseconds")
    data = {
        "instance_id": row.pk,
        "name": row.name or None,
        "status": row.status,
        "last_heartbeat": row.last_heartbeat,
        "given_up_at": moment,
        "links": {"instance": f"/api/instances/{row.pk}"},
    }
    kind = event_types.INSTANCE_GIVEN_UP
    return News(kind, f"{kind}:{row.pk}:{moment}", _nanoseconds(row.given_up_at), data)


def of_test(endpoint_id: str, nonce: str, at: datetime) -> News:
    data = {"endpoint_id": endpoint_id}
    return News(event_types.TEST, f"{event_types.TEST}:{nonce}", _nanoseconds(at), data)


def _about(run: Run, event_type: str, key: str, at_ns: int, data: dict[str, Any]) -> News:
    return News(event_type, key, at_ns, data, run_id=run.id, run_owner=run.creator_id or "")


def _run_facts(run: Run, *, status: str = "") -> dict[str, Any]:
    """`status` as it was when that happened, where the row may have gone on since."""
    return {
        "run_id": run.id,
        "status": str(status or run.status),
        "graph_id": run.graph_id,
        "user_id": run.creator_id,
        "links": {"run": f"/v1/runs/{run.id}", "inspect": f"/inspect/run/{run.id}"},
    }


def _moment(ns: int | None) -> str | None:
    return None if ns is None else to_rfc3339(ns)


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1_000
