"""A run, an artifact, a graph and a tool as `/v1` shows them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from accounts.principals import Principal
from runs.graphs.documents import Graph
from runs.models import ArtifactRef
from runs.services.approvals import Approval
from runs.services.history import HistoryEntry
from runs.tools.base import Tool

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INTERNAL = "internal"
#: What a client learns of an error that is ours. The whole of it is in the log of the server.
INTERNAL_ERROR = "internal error"


def run_summary(run: HistoryEntry) -> dict[str, Any]:
    """RunSummary: the same shape in lists, details and answers to commands."""
    accepted = run.accepted_at.astimezone(UTC)
    finished = None if run.finished_ns is None else _moment(run.finished_ns)
    is_ours = run.error_type == _INTERNAL
    return {
        "run_id": run.id,
        "status": run.status,
        "graph_id": run.graph_id,
        "graph_hash": run.graph_hash,
        "trigger_source": run.trigger,
        "started_at": timestamp(accepted),
        "last_step_at": timestamp(_moment(run.last_event_ns) if run.last_event_ns else accepted),
        "finished_at": finished and timestamp(finished),
        "duration_ms": finished and max(0, round((finished - accepted).total_seconds() * 1000)),
        "parent_run_id": run.parent_id,
        "error_class": run.error_type or None,
        "error_cause": INTERNAL_ERROR if is_ours else run.error or None,
    }


def artifact_row(ref: ArtifactRef) -> dict[str, Any]:
    """ArtifactRef: these fields and no others, clients refuse more."""
    return {
        "artifact_id": ref.artifact_id,
        "content_hash": ref.digest,
        "name": ref.name,
        "content_type": ref.content_type,
        "run_id": ref.run_id,
        "step": ref.step,
        "created_at": timestamp(ref.created_at.astimezone(UTC)),
    }


def approval_row(approval: Approval, caller: Principal, now_ns: int) -> dict[str, Any]:
    asked = approval.asked
    return {
        "run_id": approval.run_id,
        "graph_id": approval.graph_id,
        "node_id": asked.node_id or None,
        "step": approval.step,
        "prompt": asked.prompt,
        "interrupt_payload": asked.interrupt_payload or {},
        "schema": asked.schema,
        "requested_capability": asked.requested_capability or None,
        "can_respond": approval.is_open_to(caller, now_ns),
        "requested_at": timestamp(_moment(approval.requested_ns)),
        "age_ms": max(0, (now_ns - approval.requested_ns) // 1_000_000),
        "deadline": timestamp(_moment(asked.deadline_ns)) if asked.deadline_ns else None,
        "on_timeout": asked.on_timeout or None,
        "started_by": approval.started_by,
    }


def graph_row(graph: Graph) -> dict[str, Any]:
    return {"graph_id": graph.id, "graph_hash": graph.hash, "node_count": graph.node_count}


def tool_row(tool: Tool) -> dict[str, Any]:
    return {
        "name": tool.name,
        "namespace": tool.namespace,
        "version": tool.version,
        "description": tool.description,
        "input_schema": tool.schema,
        "output_schema": tool.output_schema or {},
        "side_effects": tool.side_effects,
        "replay_policy": "recorded-result",  # a replay never calls a tool again
        "permissions": list(tool.permissions),
        "idempotency_key": "call_id" if tool.idempotent else None,
        "cost_estimate": None,
        "examples": [],
        "tags": [],
        "deprecated": False,
    }


def timestamp(moment: datetime) -> str:
    """RFC 3339, UTC, microseconds, no fraction when it is zero."""
    return moment.isoformat().replace("+00:00", "Z")


def timestamp_of(ns: int) -> str:
    """The same, of Unix nanoseconds."""
    return timestamp(_moment(ns))


def _moment(ns: int) -> datetime:
    return _EPOCH + timedelta(microseconds=ns // 1_000)
