"""Recomputing the projections of runs from their logs."""

from project.lib.db import write_transaction
from runs.event_types import PAYLOADS
from runs.log.projection import PROJECTED_FIELDS, Projection
from runs.log.read import walk_events
from runs.models import Redaction, Run


def fold(run_id: str) -> Projection:
    """The projection that a log as stored amounts to."""
    projection = Projection()
    for event in walk_events(run_id):
        if event.payload is None:
            _skip_redacted(projection, event.seq, event.ts, event.hash)
            continue
        payload = PAYLOADS[event.kind].from_map(event.data)
        projection.apply(payload, seq=event.seq, ts=event.ts, event_hash=event.hash)
    return projection


def rebuild_run(run_id: str) -> list[str]:
    """Bring one run's row in line with its log. Returns the names of the columns that differed.

    A log with redacted events keeps the totals it had: their payloads cannot be counted again.
    """
    with write_transaction():
        run = Run.objects.select_for_update().get(pk=run_id)
        stored, folded = Projection.of_run(run), fold(run_id)
        if Redaction.objects.filter(run_id=run_id).exists():
            return []
        changed = [
            name for name in PROJECTED_FIELDS if getattr(stored, name) != getattr(folded, name)
        ]
        if changed:
            for name in changed:
                setattr(run, name, getattr(folded, name))
            if _is_abandoned(run):
                run.status = Run.Status.PENDING  # nobody executes it: a worker must find it
            run.save(update_fields={*changed, "status"})
        return changed


def _is_abandoned(run: Run) -> bool:
    """Running, says the log, and neither a worker nor a timer has it."""
    return run.status == Run.Status.RUNNING and run.lease_expires_at is None and run.wake_ns is None


def _skip_redacted(projection: Projection, seq: int, ts: int, digest: bytes) -> None:
    projection.head_seq, projection.head_hash, projection.last_event_ns = seq, digest, ts
