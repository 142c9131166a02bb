"""A run in the words of the command line."""

from typing import Any

from project.lib.clock import to_rfc3339
from runs.api.words import CANCELLED, COMPLETED, FAILED, IN_PROGRESS, QUEUED
from runs.management.lookup import status_word
from runs.models import Run

STATUS_STYLES = {
    COMPLETED: "green",
    FAILED: "red",
    CANCELLED: "yellow",
    IN_PROGRESS: "cyan",
    QUEUED: "dim",
}


def run_facts(run: Run) -> dict[str, Any]:
    """The object that `--json` prints for a run; the names are those of `/api/v1/runs`."""
    return {
        "run_id": run.id,
        "status": status_word(run),
        "state": run.status,
        "goal": run.goal,
        "graph_id": run.graph_id,
        "model": model_name(run),
        "accepted_at": run.accepted_at.isoformat().replace("+00:00", "Z"),
        "started_at": None if run.started_ns is None else to_rfc3339(run.started_ns),
        "last_seq": run.head_seq,
        "turn_count": run.turn_count,
        "tool_call_count": run.tool_call_count,
        "input_tokens": run.input_tokens,
        "output_tokens": run.output_tokens,
        "cost_usd": run.cost_usd,
        "duration_ms": run.duration_ms,
    }


def model_name(run: Run) -> str:
    """The model the log names, or the one asked for while there is no log; empty: the default."""
    return f"{run.provider_id}/{run.model_id}" if run.provider_id else run.model
