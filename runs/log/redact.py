"""Taking one payload out of a log, on record. Hashes stay, so chain and root still verify."""

from accounts import audit
from project.lib.db import write_transaction
from runs import artifacts
from runs.errors import InvalidInput, RunNotFinished, RunNotFound
from runs.event_types import (
    ArtifactWritten,
    AssistantMessageCompleted,
    RunCompleted,
    RunFailed,
    RunStarted,
    SideEffectRecorded,
    ToolCallCompleted,
)
from runs.log.events import StoredEvent
from runs.log.read import read_events
from runs.models import ArtifactRef, Event, ExternalPayload, Redaction, Run


def redact_event(*, run_id: str, seq: int, actor: str, reason: str) -> Redaction:
    """Remove the payload of one event for good, with the artifact that it tells of.

    Raises `RunNotFound` for an unknown run or seq, `RunNotFinished` for a run that still reads its
    log, `InvalidInput` without a reason. Redacting twice returns the first record.
    """
    if not reason.strip():
        raise InvalidInput("a redaction needs a reason", field="reason")
    with write_transaction():
        run = Run.objects.select_for_update().filter(pk=run_id).first()
        if run is None:
            raise RunNotFound(f"there is no run {run_id}")
        if not run.is_finished:
            raise RunNotFinished(f"run {run_id} has not ended: cancel it, or wait, then redact")
        if not Event.objects.filter(run_id=run_id, seq=seq).exists():
            raise RunNotFound(f"run {run_id} has no event {seq}")
        record, created = Redaction.objects.get_or_create(
            run_id=run_id, seq=seq, defaults={"actor": actor, "reason": reason.strip()}
        )
        if not created:
            return record
        [event] = read_events(run_id, after=seq - 1, limit=1)
        Event.objects.filter(run_id=run_id, seq=seq).update(payload=None)
        _clear_copies(run, event.kind)
        released = [*_drop_external(run_id, seq), *_drop_artifacts(event)]
        # In the transaction that does it. Last: it locks the head of the audit trail.
        audit.record(
            "event_redacted", actor=actor, run_id=run_id, durable=True, seq=seq, reason=reason
        )
    artifacts.release(released)
    return record


def _drop_external(run_id: str, seq: int) -> list[str]:
    """Forget where the payload lay; returns the blob's digest."""
    rows = ExternalPayload.objects.filter(run_id=run_id, seq=seq)
    digests = list(rows.values_list("digest", flat=True))
    rows.delete()
    return digests


def _drop_artifacts(event: StoredEvent) -> list[str]:
    """Forget what a node wrote or a tool call kept; returns the blobs' digests."""
    refs = ArtifactRef.objects.filter(run_id=event.run_id)
    if event.kind == ArtifactWritten.kind:
        refs = refs.filter(path=event.data.get("path", ""), digest=event.data.get("digest", ""))
    elif event.kind in _OF_TOOL_CALLS and event.data.get("call_id"):
        refs = refs.filter(path=artifacts.path_of_call(event.data["call_id"]))
    else:
        return []
    digests = list(refs.values_list("digest", flat=True))
    refs.delete()
    return digests


#: Kinds that carry what a tool call gave.
_OF_TOOL_CALLS = frozenset((SideEffectRecorded.kind, ToolCallCompleted.kind))


# What the row repeats of an event, by kind: gone from the log, it must be gone from the row.
_COPIES: dict[int, dict[str, object]] = {
    RunStarted.kind: {"goal": "", "inputs": {}},
    AssistantMessageCompleted.kind: {"final_text": ""},
    RunCompleted.kind: {"final_text": ""},
    RunFailed.kind: {"error": ""},
}


def _clear_copies(run: Run, kind: int) -> None:
    copies = _COPIES.get(kind)
    if copies:
        Run.objects.filter(pk=run.pk).update(**copies)
