"""The database's own search by words: the same statements, and nothing of ours but the table.

All words are wanted; where they occur nowhere together, any of them. It returns the ids of the
best; nobody looks at whose they are, or reads them.
"""

import sqlite3
import time
from collections.abc import Callable, Sequence

import psycopg

_SQLITE = "SELECT rowid FROM chat_memorytext WHERE chat_memorytext MATCH ? ORDER BY rank LIMIT ?"
_POSTGRES = (
    "SELECT id FROM chat_memorychunk, to_tsquery('starport_words', %s) AS query"
    " WHERE words @@ query ORDER BY ts_rank(words, query, 1) DESC LIMIT %s"
)


def timings(database: str, queries: Sequence[Sequence[str]], *, candidates: int) -> list[float]:
    """Milliseconds of each query. `database` is a path or a connection string."""
    if "=" in database:
        with psycopg.connect(database) as postgres:
            return _timed(
                lambda query: postgres.execute(_POSTGRES, [query, candidates]).fetchall(),
                queries,
                operators=(" & ", " | "),
            )
    sqlite = sqlite3.connect(database)
    try:
        return _timed(
            lambda query: sqlite.execute(_SQLITE, [query, candidates]).fetchall(),
            queries,
            operators=(" AND ", " OR "),
        )
    finally:
        sqlite.close()


def _timed(
    ask: Callable[[str], Sequence[object]],
    queries: Sequence[Sequence[str]],
    *,
    operators: tuple[str, str],
) -> list[float]:
    all_of, any_of = operators
    ask(any_of.join(queries[0]))
    taken = []
    for words in queries:
        began = time.perf_counter()
        if not ask(all_of.join(words)) and len(words) > 1:
            ask(any_of.join(words))
        taken.append((time.perf_counter() - began) * 1e3)
    return taken
