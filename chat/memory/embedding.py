"""Asking the embedding model: for queries while somebody waits, for chunks in the background.

Search goes by words without it. So whatever goes wrong here is logged, and that is all.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db import connections, transaction
from django.db.models import QuerySet

from chat.live_settings import current
from chat.live_settings.groups import Memory
from chat.memory.vectors import Vector, pack, signature
from chat.models import MemoryChunk
from project.lib.db import write_transaction
from runs.errors import ModelNotFound
from runs.providers.base import ProviderError
from runs.providers.embeddings import Embedder, get_embedder

logger = logging.getLogger(__name__)

QUERY_SECONDS = 5.0
CHUNKS_SECONDS = 60.0
BATCH = 64
#: What a text is cut to: models refuse more than about 8,000 tokens.
TEXT_CHARS = 16_000
#: After a provider that did not answer, searches do not wait for it again.
PAUSE_SECONDS = 30.0

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Embedded:
    """A text's vector, and the model in whose space it lies."""

    model: str
    vector: Vector


def embed_query(query: str) -> Embedded | None:
    """`None` when search goes by words alone: as configured, or because there is no answer."""
    embedder = _embedder()
    if embedder is None or time.monotonic() < _silent.until:
        return None
    try:
        (numbers,) = embedder.embed(
            [query[:TEXT_CHARS]], is_query=True, timeout_seconds=QUERY_SECONDS
        )
        vector = Vector.of(numbers)
    except (ProviderError, OverflowError) as error:
        if isinstance(error, ProviderError) and error.is_retryable:
            _silent.until = time.monotonic() + PAUSE_SECONDS
        _log("a query has no embedding, search goes by words", error)
        return None
    model = _name_of(embedder)
    if any(pending.exists() for pending in _pending(model)):
        _background.want()  # the setting is new, or the provider was away when they were written
    return Embedded(model, vector)


def wanted_after_commit() -> None:
    """Chunks were written in this transaction: embed them, soon, in a thread of this process."""
    if _embedder() is not None:
        transaction.on_commit(_background.want)


def count_pending() -> int:
    """How many chunks lack an embedding of the configured model; 0 without one."""
    embedder = _embedder()
    return 0 if embedder is None else sum(rows.count() for rows in _pending(_name_of(embedder)))


def embed_pending(advance: Advance = lambda chunks: None) -> int:
    """Embed what has no embedding of the configured model, in batches; how many got one.

    Stops at the first failure that is not a text's own fault. What is missing then is made good
    by the next call.
    """
    embedder = _embedder()
    if embedder is None:
        return 0
    done = 0
    for pending in _pending(_name_of(embedder)):
        while batch := list(pending.values_list("pk", "text")[:BATCH]):
            try:
                vectors = _embed(embedder, [text for _, text in batch])
            except ProviderError as error:
                _log("chunks have no embedding, search goes by words", error)
                return done
            _store(_name_of(embedder), [pk for pk, _ in batch], vectors)
            done += len(batch)
            advance(len(batch))
    return done


def _embed(embedder: Embedder, texts: Sequence[str]) -> list[Vector | None]:
    """`None` for a text that the model refuses, or answers with what is no vector."""
    texts = [text[:TEXT_CHARS] for text in texts]
    try:
        numbers = embedder.embed(texts, is_query=False, timeout_seconds=CHUNKS_SECONDS)
        return [Vector.of(vector) for vector in numbers]
    except (ProviderError, OverflowError) as error:
        if isinstance(error, ProviderError) and error.kind != "bad_request":
            raise
        if len(texts) == 1:
            _log("a chunk cannot be embedded", error)
            return [None]
    return [vector for text in texts for vector in _embed(embedder, [text])]


def _store(model: str, ids: Sequence[int], vectors: Sequence[Vector | None]) -> None:
    with write_transaction():
        for pk, vector in zip(ids, vectors, strict=True):
            # A chunk that was replaced meanwhile is not there any more, and its row matches none.
            MemoryChunk.objects.filter(pk=pk).update(
                embedding=b"" if vector is None else pack(vector),
                embedding_model=model,
                signature=None if vector is None else signature(vector),
            )


def _pending(model: str) -> tuple[QuerySet[MemoryChunk], QuerySet[MemoryChunk]]:
    """Chunks of another model, or of none. Two ranges: an index answers them, and not `<>`."""
    rows = MemoryChunk.objects.order_by("embedding_model", "pk")
    return rows.filter(embedding_model__lt=model), rows.filter(embedding_model__gt=model)


def _embedder() -> Embedder | None:
    settings = current(Memory)
    if not settings.vector_search or not settings.embedding_model:
        return None
    try:
        return get_embedder(settings.embedding_model)
    except ModelNotFound as error:
        _log("the embedding model is not configured, search goes by words", error)
        return None


def _name_of(embedder: Embedder) -> str:
    return f"{embedder.provider_id}/{embedder.model_id}"


def _log(message: str, error: Exception) -> None:
    logger.warning(message, extra={"reason": str(error)})


class _Silent:
    """Until when a provider is left alone, by the monotonic clock."""

    until = float("-inf")


class _Background:
    """One thread at a time, that ends when nothing more is wanted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_wanted = False
        self._is_running = False

    def want(self) -> None:
        with self._lock:
            self._is_wanted = True
            if self._is_running:
                return
            self._is_running = True
        # A daemon: a provider that is slow must not hold up the end of the process.
        threading.Thread(target=self._work, name="embeddings", daemon=True).start()

    def _work(self) -> None:
        try:
            while self._take():
                embed_pending()
        except Exception:
            logger.exception("embedding chunks failed")
            with self._lock:
                self._is_running = False
        finally:
            connections.close_all()  # this thread's own

    def _take(self) -> bool:
        """Whether there is something to do; if not, the next who wants starts a thread."""
        with self._lock:
            is_wanted, self._is_wanted = self._is_wanted, False
            self._is_running = is_wanted
            return is_wanted


_silent = _Silent()
_background = _Background()
