"""Reading logs: pages in seq order, whole payloads wherever they lie."""

from collections.abc import Collection, Iterator, Sequence

from django.db.models import F

from project.lib.sql import fetch_all, fetch_one
from runs import artifacts
from runs.log.events import StoredEvent
from runs.models import Event, ExternalPayload, Redaction

_COLUMNS = "seq, prev_hash, ts, kind, payload, hash"
_FROM_RUN = f"SELECT {_COLUMNS} FROM {Event._meta.db_table} WHERE run_id = %s"  # noqa: S608
_PAGE_AFTER = f"{_FROM_RUN} AND seq > %s ORDER BY seq LIMIT %s"
_LAST = f"{_FROM_RUN} ORDER BY seq DESC LIMIT 1"

#: Events read at a time when a whole log is walked.
PAGE = 1_000


def read_events(run_id: str, *, after: int = 0, limit: int = PAGE) -> list[StoredEvent]:
    """Up to `limit` events with seq > `after`, ascending. Unknown runs have none."""
    rows = fetch_all(_PAGE_AFTER, [run_id, after, limit])
    events = [_event(run_id, row) for row in rows]
    if any(event.payload is None for event in events):
        events = _with_external(events)
    return events


def read_last(run_id: str) -> StoredEvent | None:
    """The newest event."""
    row = fetch_one(_LAST, [run_id])
    return None if row is None else _event(run_id, row)


def read_heads(run_ids: Collection[str]) -> dict[str, StoredEvent]:
    """The newest event of each of these runs, in one query; two when payloads lie elsewhere."""
    heads = Event.objects.filter(run_id__in=run_ids, seq=F("run__head_seq"))
    columns = ("run_id", *_COLUMNS.split(", "))
    events = [_event(run_id, row) for run_id, *row in heads.values_list(*columns)]
    if any(event.payload is None for event in events):
        events = _with_external(events)
    return {event.run_id: event for event in events}


def read_kinds(run_ids: Collection[str], kinds: Collection[int]) -> list[StoredEvent]:
    """The events of some kinds of several runs, each run's in order."""
    found = Event.objects.filter(run_id__in=run_ids, kind__in=kinds).order_by("run_id", "seq")
    columns = ("run_id", *_COLUMNS.split(", "))
    events = [_event(run_id, row) for run_id, *row in found.values_list(*columns)]
    if any(event.payload is None for event in events):
        events = _with_external(events)
    return events


def walk_events(run_id: str, *, after: int = 0) -> Iterator[StoredEvent]:
    """The whole log after `after`, a page in memory at a time."""
    while page := read_events(run_id, after=after):
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].seq


def redacted_seqs(run_id: str) -> frozenset[int]:
    """Seqs whose payload was removed on record."""
    return frozenset(Redaction.objects.filter(run_id=run_id).values_list("seq", flat=True))


def _event(run_id: str, row: Sequence[object]) -> StoredEvent:
    seq, prev_hash, ts, kind, payload, digest = row
    return StoredEvent(
        run_id,
        seq,  # type: ignore[arg-type]  # a cursor's row is untyped
        None if prev_hash is None else bytes(prev_hash),  # type: ignore[call-overload]  # Postgres: memoryview
        ts,  # type: ignore[arg-type]
        kind,  # type: ignore[arg-type]
        None if payload is None else bytes(payload),  # type: ignore[call-overload]
        bytes(digest),  # type: ignore[call-overload]
    )


def _with_external(events: list[StoredEvent]) -> list[StoredEvent]:
    """Fill in payloads kept by the artifact store; what was redacted or lost stays `None`."""
    absent = [event for event in events if event.payload is None]
    kept = ExternalPayload.objects.filter(
        run_id__in={event.run_id for event in absent}, seq__in={event.seq for event in absent}
    )
    digests = {
        (run_id, seq): digest for run_id, seq, digest in kept.values_list("run_id", "seq", "digest")
    }
    return [
        event
        if event.payload is not None or (event.run_id, event.seq) not in digests
        else _filled(event, digests[event.run_id, event.seq])
        for event in events
    ]


def _filled(event: StoredEvent, digest: str) -> StoredEvent:
    try:
        payload = artifacts.get(digest)
    except (artifacts.ArtifactMissing, artifacts.ArtifactCorrupt):
        return event
    return StoredEvent(
        event.run_id, event.seq, event.prev_hash, event.ts, event.kind, payload, event.hash
    )
