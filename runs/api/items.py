"""Runs as JSON objects of the daemon's API."""

from typing import Any

from project.lib.clock import to_rfc3339
from runs.api import words
from runs.event_types import KIND_NAMES
from runs.log.validate import Verdict
from runs.services.listing import RunDetail, RunSummary


def summary_item(run: RunSummary) -> dict[str, Any]:
    """A run that has begun, as lists show it."""
    item = {
        "run_id": run.id,
        "status": words.status_of(run),
        "started_at": None if run.started_ns is None else to_rfc3339(run.started_ns),
        "last_seq": run.head_seq,
        "turn_count": run.turn_count,
        "tool_call_count": run.tool_call_count,
        "input_tokens": run.input_tokens,
        "output_tokens": run.output_tokens,
        "cost_usd": run.cost_usd,
        "duration_ms": run.duration_ms,
    }
    if daemon_status := words.daemon_status_of(run):
        item["daemon_status"] = daemon_status
    return item


def detail_item(run: RunDetail, verdict: Verdict | None) -> dict[str, Any]:
    """A run as its own page shows it. Before its first event there is only where it stands."""
    if not run.has_events:
        return {
            "run_id": run.id,
            "status": words.status_of(run),
            "daemon_status": words.daemon_status_of(run),
        }
    item = summary_item(run)
    item["goal"] = run.goal
    item["graph_id"] = run.graph_id
    item["provider_id"] = run.provider_id
    item["model_id"] = run.model_id
    item["final_text"] = run.final_text
    item["error"] = run.error or None
    item["error_type"] = run.error_type or None
    item["cancel_reason"] = run.cancel_reason or None
    item["merkle_root"] = None if run.merkle_root is None else run.merkle_root.hex()
    item["terminal_kind"] = None if run.terminal_kind is None else KIND_NAMES[run.terminal_kind]
    item["validation"] = _validation(verdict)
    return item


def _validation(verdict: Verdict | None) -> dict[str, Any]:
    if verdict is None:
        return {"status": "unchecked"}
    item: dict[str, Any] = {"status": verdict.status}
    if verdict.reason:
        item["reason"] = verdict.reason
    if verdict.seq:
        item["seq"] = verdict.seq
    return item
