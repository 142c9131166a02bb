"""Search: by words, and when an embedding model is configured, by meaning as well."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connection, transaction

from chat.live_settings import current
from chat.live_settings.groups import Memory
from chat.memory import embedding, vectors
from chat.memory.days import local_time
from chat.memory.documents import SHARED
from chat.memory.full_text import best_chunks
from chat.memory.queries import parse
from chat.memory.ranking import decay, diversify, fuse, wanted_candidates
from chat.models import MemoryChunk

MAX_LIMIT = 100
QUERY_CHARS = 10_000  # more is cut off


@dataclass(frozen=True, slots=True)
class Hit:
    """Lines of a document, both ends included. `source` is its name."""

    source: str
    text: str
    line_start: int
    line_end: int


def search(owner: str, query: str, limit: int) -> list[Hit]:
    """What the shared documents and those of `owner` say to a query, the best first.

    Takes any text; `limit` is kept between 1 and 100.
    """
    limit = min(max(limit, 1), MAX_LIMIT)
    query = query[:QUERY_CHARS]
    if not query.strip():
        return []
    wanted = embedding.embed_query(query)  # asks a model: not while a snapshot is held
    with _snapshot():
        return _found(owner, query, wanted, limit)


@contextmanager
def _snapshot() -> Iterator[None]:
    """One state of the database for all that is read: a document that is indexed anew meanwhile
    has other chunks. Within somebody's transaction, theirs has to do."""
    if connection.in_atomic_block:
        yield
        return
    if connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield
        return
    with connection.cursor() as cursor:
        cursor.execute("BEGIN DEFERRED")  # `atomic()` would take the one lock of writers
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")


def _found(owner: str, query: str, wanted: embedding.Embedded | None, limit: int) -> list[Hit]:
    owners = (SHARED, owner)
    scores = dict(best_chunks(owners, parse(query), limit=wanted_candidates(limit)))
    if wanted is None:
        return _read(_aged(scores)[:limit])
    near = vectors.nearest(owners, wanted.model, wanted.vector, limit=wanted_candidates(limit))
    scores = fuse([list(scores), near])
    best = sorted(scores, key=lambda pk: (scores[pk], pk))[: 3 * limit]
    order = _aged({pk: scores[pk] for pk in best})[: 2 * limit]
    return _read(_diverse(order, wanted, limit))


def _aged(scores: Mapping[int, float]) -> list[int]:
    """Best first, with what time has made of the scores."""
    half_life, today = current(Memory).half_life_days, local_time().date()
    # Without their texts, which are most of a row: most candidates are not among the best.
    rows = MemoryChunk.objects.filter(pk__in=list(scores)).values_list(
        "pk", "document__name", "number"
    )
    places = {
        pk: (scores[pk] * decay(name, today=today, half_life_days=half_life), name, number)
        for pk, name, number in rows
    }
    return sorted(places, key=places.__getitem__)


def _diverse(order: list[int], wanted: embedding.Embedded, limit: int) -> list[int]:
    """The best that do not all say the same. A chunk without embedding is like nothing."""
    stored = vectors.read(order, wanted.model)
    there = [stored.get(pk, vectors.NOTHING) for pk in order]
    places = diversify(
        [vectors.cosine(wanted.vector, vector) for vector in there],
        lambda one, other: vectors.cosine(there[one], there[other]),
        trade=current(Memory).mmr_lambda,
        limit=limit,
    )
    return [order[place] for place in places]


def _read(ids: Sequence[int]) -> list[Hit]:
    """In that order, those that are still there: a document may have been written meanwhile."""
    rows = MemoryChunk.objects.filter(pk__in=ids).values_list(
        "pk", "document__name", "text", "line_start", "line_end"
    )
    hits = {pk: Hit(name, text, start, end) for pk, name, text, start, end in rows}
    return [hits[pk] for pk in ids if pk in hits]
