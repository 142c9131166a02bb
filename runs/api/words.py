"""The daemon's words for where a run stands: `status` from the log, `daemon_status` of the job."""

from runs.event_types import RunCancelled, RunCompleted, RunFailed
from runs.log.events import StoredEvent
from runs.models import Run
from runs.services.listing import RunSummary, is_retained

IN_PROGRESS = "in progress"
COMPLETED = "completed"
FAILED = "failed"
CANCELLED = "cancelled"

QUEUED = "queued"
RUNNING = "running"

_STATUSES: dict[str, tuple[str, ...]] = {
    IN_PROGRESS: (
        Run.Status.PENDING,
        Run.Status.RUNNING,
        Run.Status.PAUSED,
        Run.Status.AWAITING_INPUT,
    ),
    COMPLETED: (Run.Status.DONE,),
    FAILED: (Run.Status.FAILED, Run.Status.ERROR),
    CANCELLED: (Run.Status.CANCELLED,),
}
_WORDS = {status: word for word, statuses in _STATUSES.items() for status in statuses}
_ENDS = {RunCompleted.kind: COMPLETED, RunFailed.kind: FAILED, RunCancelled.kind: CANCELLED}
# A space is awkward in a query string, and `running` is what people try first.
_ALIASES = {"in_progress": IN_PROGRESS, "in-progress": IN_PROGRESS, "running": IN_PROGRESS}


def status_of(run: RunSummary) -> str | None:
    """What the log says; nothing before its first event."""
    return _WORDS[run.status] if run.has_events else None


def daemon_status_of(run: RunSummary) -> str | None:
    """What became of the job; forgotten when the run has ended `--job-retention` ago."""
    if run.finished_ns is not None:
        return _WORDS[run.status] if is_retained(run.finished_ns) else None
    return QUEUED if run.status == Run.Status.PENDING else RUNNING


def word_after(event: StoredEvent) -> str:
    """The status that an event leaves the run in."""
    return _ENDS.get(event.kind, IN_PROGRESS)


def daemon_word_after(end: StoredEvent) -> str | None:
    """What became of the job of a run that ended with this event."""
    return word_after(end) if is_retained(end.ts) else None


def statuses_named(word: str) -> tuple[str, ...]:
    """The statuses that a filter's word stands for; none for a word nobody knows."""
    return _STATUSES.get(_ALIASES.get(word, word), ())


def statuses_like(text: str) -> tuple[str, ...]:
    """The statuses whose word contains `text`: `prog` finds what is in progress."""
    return tuple(status for status, word in _WORDS.items() if text in word)
