"""A memory of many chunks, and what people ask it."""

import random
import time
from array import array
from collections.abc import Sequence
from itertools import accumulate

from django.conf import settings
from django.db import connection

from bench.core.numbers import Percentiles
from bench.yardsticks import raw_search
from chat.live_settings.reading import forget
from chat.memory.documents import SHARED, write_document
from chat.memory.search import search
from chat.memory.vectors import Vector, pack, signature
from chat.models import MemoryChunk, SettingGroup
from project.lib.db import write_transaction
from runs.providers.scripted_embeddings import DIMENSIONS

_OWNER = "bench"
_MODEL = "scripted/scripted"
_LIMIT = 10

# As language has them: the word of rank n is 1/n as frequent as the first.
_VOCABULARY = 20_000
_COMMON = 50  # nobody asks for the most common words
_WORDS_PER_LINE = 12
_LINES_PER_DOCUMENT = 1_600  # about a hundred chunks
_VECTORS = 2_000  # distinct ones


def measure(*, chunks: int, queries: int) -> dict[str, float]:
    """Milliseconds: `words` and `meaning` by search, `raw` by the database alone; p50 and p99."""
    words, weights = _vocabulary()
    chance = random.Random(7)
    _fill(chunks, words, weights, chance)
    asked = _queries(queries, words, weights, chance)
    raw = raw_search.timings(_database(), asked, candidates=3 * _LIMIT)
    by_words = _timings(asked)
    _embed(chance)
    _configure(embedding_model=_MODEL)
    by_meaning = _timings(asked)
    return {
        "chunks": MemoryChunk.objects.count(),
        **_percentiles("raw", raw),
        **_percentiles("words", by_words),
        **_percentiles("meaning", by_meaning),
    }


def _vocabulary() -> tuple[list[str], list[float]]:
    """Words of one to four syllables, in the order of their ranks, and cumulated weights."""
    syllables = [first + second for first in "bdfgklmnprstvz" for second in "aeiou"]
    words = [
        "".join(syllables[(rank * step + step) % len(syllables)] for step in (1, 7, 31, 97))
        + str(rank)
        for rank in range(_VOCABULARY)
    ]
    return words, list(accumulate(1.0 / (rank + 1) for rank in range(_VOCABULARY)))


def _fill(
    chunks: int, words: Sequence[str], weights: Sequence[float], chance: random.Random
) -> None:
    """Half of it shared, half of the owner's: all of it may be searched."""
    number = 0
    while (missing := chunks - MemoryChunk.objects.count()) > 0:
        lines = min(_LINES_PER_DOCUMENT, 20 * missing)
        drawn = chance.choices(words, cum_weights=weights, k=lines * _WORDS_PER_LINE)
        text = "\n".join(
            " ".join(drawn[start : start + _WORDS_PER_LINE])
            for start in range(0, len(drawn), _WORDS_PER_LINE)
        )
        owner, folder = ((SHARED, "guides"), (_OWNER, "memory"))[number % 2]
        write_document(owner, f"{folder}/{number}.md", text, actor="bench")
        number += 1
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE chat_memorychunk")


def _queries(
    count: int, words: Sequence[str], weights: Sequence[float], chance: random.Random
) -> list[list[str]]:
    """One to three words each, as frequent as in the text."""
    rest, offset = words[_COMMON:], weights[_COMMON - 1]
    shifted = [weight - offset for weight in weights[_COMMON:]]
    return [chance.choices(rest, cum_weights=shifted, k=1 + number % 3) for number in range(count)]


def _embed(chance: random.Random) -> None:
    """Vectors without meaning: comparing them costs the same."""
    stored = []
    for _ in range(_VECTORS):
        vector = Vector.of(array("f", (chance.uniform(-1, 1) for _ in range(DIMENSIONS))))
        stored.append((pack(vector), signature(vector)))
    ids = list(MemoryChunk.objects.values_list("pk", flat=True))
    with write_transaction(), connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE chat_memorychunk SET embedding = %s, signature = %s, embedding_model = %s"
            " WHERE id = %s",
            [(*stored[place % _VECTORS], _MODEL, pk) for place, pk in enumerate(ids)],
        )


def _configure(**values: object) -> None:
    SettingGroup.objects.update_or_create(name="memory", defaults={"values": values})
    forget()


def _timings(queries: Sequence[Sequence[str]]) -> list[float]:
    search(_OWNER, "warm up", _LIMIT)
    taken = []
    for query in queries:
        began = time.perf_counter()
        search(_OWNER, " ".join(query), _LIMIT)
        taken.append((time.perf_counter() - began) * 1e3)
    return taken


def _percentiles(name: str, taken: Sequence[float]) -> dict[str, float]:
    ranked = Percentiles.of(taken)
    return {f"{name} p50": ranked.p50, f"{name} p99": ranked.p99}


def _database() -> str:
    """A file of SQLite, or the address of a PostgreSQL database."""
    if connection.vendor == "sqlite":
        return str(settings.DATA_DIR / "starport.sqlite3")
    facts = connection.settings_dict
    return (
        f"host={facts['HOST']} port={facts['PORT'] or 5432} user={facts['USER']}"
        f" dbname={facts['NAME']}"
    )
