"""Deleting whole runs, oldest first. Nothing smaller than a run is ever deleted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from project.lib.db import write_transaction
from runs import artifacts
from runs.models import ArtifactRef, Event, ExternalPayload, Redaction, Run

#: Runs deleted per transaction, so that appends are not kept waiting.
BATCH = 200


@dataclass(frozen=True, slots=True)
class PruneReport:
    """What would go, or went."""

    run_ids: tuple[str, ...]
    event_count: int


def prune_candidates(
    *,
    before: datetime,
    statuses: Sequence[str] = (),
    include_in_progress: bool = False,
    limit: int = 0,
) -> QuerySet[Run]:
    """Runs whose first event is strictly older than `before`; ended ones unless asked otherwise."""
    cutoff = int(before.timestamp() * 1_000_000_000)
    wanted = Q(status__in=statuses) if statuses else Q(status__in=Run.TERMINAL)
    if include_in_progress and not statuses:
        wanted = Q()
    runs = Run.objects.filter(wanted, started_ns__lt=cutoff).order_by("started_ns", "id")
    if not include_in_progress:
        runs = runs.filter(status__in=Run.TERMINAL)
    return runs[:limit] if limit > 0 else runs


def plan_prune(runs: QuerySet[Run]) -> PruneReport:
    """What `prune` would delete."""
    chosen = list(runs.values_list("id", "head_seq"))
    return PruneReport(tuple(run_id for run_id, _ in chosen), sum(count for _, count in chosen))


def prune(run_ids: Sequence[str]) -> Iterable[int]:
    """Delete these runs with all they own. Yields the number deleted after each batch."""
    for start in range(0, len(run_ids), BATCH):
        batch = run_ids[start : start + BATCH]
        artifacts.release(_delete_rows(batch))
        yield len(batch)


def _delete_rows(run_ids: Sequence[str]) -> list[str]:
    """Delete in one transaction; returns the blobs that the rows referred to."""
    with write_transaction():
        mine = ExternalPayload.objects.filter(run_id__in=run_ids)
        refs = ArtifactRef.objects.filter(run_id__in=run_ids)
        digests = {digest for rows in (mine, refs) for digest in _digests_of(rows)}
        mine.delete()
        refs.delete()
        Redaction.objects.filter(run_id__in=run_ids).delete()
        events = Event.objects.filter(run_id__in=run_ids)
        events._raw_delete(events.db)  # no row depends on an event; skip collecting them
        Run.objects.filter(pk__in=run_ids).delete()
    return sorted(digests)


def _digests_of(rows: QuerySet[ExternalPayload] | QuerySet[ArtifactRef]) -> Iterable[str]:
    return rows.values_list("digest", flat=True)
