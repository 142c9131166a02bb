"""Runs and their states as an operator names them."""

from collections.abc import Iterator

from django.db.models import Exists, OuterRef, Q, QuerySet

from runs.api.words import CANCELLED, COMPLETED, FAILED, IN_PROGRESS, QUEUED, statuses_named
from runs.errors import InvalidInput, RunNotFound
from runs.models import Event, Run

#: Ids read at a time when every run is visited.
_BATCH = 500

_LOG_WORDS = (COMPLETED, FAILED, CANCELLED, IN_PROGRESS)
_WORD_OF = {state: word for word in _LOG_WORDS for state in statuses_named(word)}
#: Every word that `--status` takes: the four of the daemon's API, and a run's exact states.
STATUS_WORDS = (*_LOG_WORDS, "pending", "paused", "awaiting-input", "done", "error")


def find_run(run_id: str) -> Run:
    """Raises `RunNotFound`."""
    run = Run.objects.filter(pk=run_id).first()
    if run is None:
        raise RunNotFound(f"there is no run {run_id}")
    return run


def status_word(run: Run) -> str:
    """What a run's log says of it in one word; `queued` before the first event."""
    return _WORD_OF[run.status] if run.head_seq or run.is_finished else QUEUED


def states_of(word: str) -> tuple[str, ...]:
    """The states that a word of `--status` stands for. Raises `InvalidInput`."""
    word = word.strip().lower()
    if states := statuses_named(word):
        return states
    if word in Run.Status.values:
        return (word,)
    raise InvalidInput(f"--status {word!r} is none of {', '.join(STATUS_WORDS)}", field="status")


def runs_with_a_log() -> QuerySet[Run]:
    """Runs that have events, or claim to: a log that was emptied must not go unnoticed."""
    return Run.objects.filter(
        Q(head_seq__gt=0) | Exists(Event.objects.filter(run_id=OuterRef("pk")).values("seq"))
    )


def walk_ids(runs: QuerySet[Run]) -> Iterator[str]:
    """Ids in order, a batch in memory at a time and no cursor held open."""
    after = ""
    while batch := list(
        runs.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:_BATCH]
    ):
        yield from batch
        after = batch[-1]
