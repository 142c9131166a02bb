"""Keeping the chunks of documents: what search looks through.

A document's chunks change in one transaction, so a search finds the old ones or the new ones, and
never none. Words are indexed with the rows (migration 0040); embeddings follow when they can.
"""

from collections.abc import Callable, Iterator

from blake3 import blake3

from chat.live_settings import current
from chat.live_settings.groups import Memory
from chat.memory import embedding
from chat.memory.chunks import Chunk, cut
from chat.models import MemoryChunk, MemoryDocument
from project.lib.db import write_transaction

#: Documents whose state is read at once; their contents are read one by one.
BATCH = 500
#: `indexed_digest` of a document whose chunks are to be made anew, whatever they are.
NEVER = ""

Advance = Callable[[int], None]


def index_document(document: MemoryDocument) -> None:
    """Bring the chunks up to the content. The caller holds the document's row lock.

    Chunks that stay the same keep their row, and so their embedding.
    """
    settings = current(Memory)
    wanted = _indexed_digest(document.digest, settings)
    if document.indexed_digest == wanted:
        return
    chunks = list(cut(document.content, size=settings.chunk_size, overlap=settings.chunk_overlap))
    if document.indexed_digest == NEVER:
        changed = _replace(document, chunks)
    else:
        changed = _update(document, chunks)
    document.indexed_digest = wanted
    MemoryDocument.objects.filter(pk=document.pk).update(indexed_digest=wanted)
    if changed:
        embedding.wanted_after_commit()


def reindex(*, go_on: bool = False, advance: Advance = lambda documents: None) -> int:
    """Make all chunks anew, a document per transaction; how many documents that were.

    What was begun and broken off is finished by `go_on`, which looks only at documents whose
    chunks are not what content and settings ask for. `advance` hears of each document seen.
    """
    if not go_on:
        with write_transaction():
            MemoryDocument.objects.update(indexed_digest=NEVER)
    done = 0
    for pk, is_current in _states():
        if not is_current:
            done += _index_one(pk)
        advance(1)
    return done


def _states() -> Iterator[tuple[int, bool]]:
    """Every document, and whether its chunks are as they should be."""
    settings, last = current(Memory), 0
    while True:
        rows = list(
            MemoryDocument.objects.filter(pk__gt=last)
            .order_by("pk")
            .values_list("pk", "digest", "indexed_digest")[:BATCH]
        )
        if not rows:
            return
        for pk, digest, indexed in rows:
            yield pk, indexed == _indexed_digest(digest, settings)
        last = rows[-1][0]


def _index_one(pk: int) -> int:
    with write_transaction():
        document = MemoryDocument.objects.select_for_update().filter(pk=pk).first()
        if document is None:  # deleted since
            return 0
        index_document(document)
    return 1


def _indexed_digest(digest: str, settings: Memory) -> str:
    """What content the chunks are of, and how it was cut."""
    how = f"{digest} {settings.chunk_size} {settings.chunk_overlap}"
    return blake3(how.encode()).hexdigest()


def _update(document: MemoryDocument, chunks: list[Chunk]) -> bool:
    kept: set[int] = set()
    gone: list[int] = []
    rows = document.chunks.values_list("pk", "number", "text", "line_start", "line_end")
    for pk, number, text, line_start, line_end in rows:
        if number < len(chunks) and chunks[number] == Chunk(text, line_start, line_end):
            kept.add(number)
        else:
            gone.append(pk)
    MemoryChunk.objects.filter(pk__in=gone).delete()
    new = [
        _row(document, number, chunk) for number, chunk in enumerate(chunks) if number not in kept
    ]
    MemoryChunk.objects.bulk_create(new, batch_size=BATCH)
    return bool(new)


def _replace(document: MemoryDocument, chunks: list[Chunk]) -> bool:
    """All rows anew; a text that has an embedding keeps it."""
    known = {
        text: (vector, model, signature)
        for text, vector, model, signature in document.chunks.exclude(embedding=None).values_list(
            "text", "embedding", "embedding_model", "signature"
        )
    }
    document.chunks.all().delete()
    rows = [_row(document, number, chunk) for number, chunk in enumerate(chunks)]
    for row in rows:
        if row.text in known:
            row.embedding, row.embedding_model, row.signature = known[row.text]
    MemoryChunk.objects.bulk_create(rows, batch_size=BATCH)
    return any(row.embedding is None for row in rows)


def _row(document: MemoryDocument, number: int, chunk: Chunk) -> MemoryChunk:
    return MemoryChunk(
        document=document,
        owner=document.owner,
        number=number,
        text=chunk.text,
        line_start=chunk.line_start,
        line_end=chunk.line_end,
    )
