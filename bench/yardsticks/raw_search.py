"""The database's own search by words: one statement, and nothing of ours but the table.

It returns the ids of the best; nobody looks at whose they are, or reads them.
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
    """Milliseconds of each query, all words wanted. `database` is a path or a connection string."""
    if "=" in database:
        with psycopg.connect(database) as postgres:
            return _timed(
                lambda words: postgres.execute(
                    _POSTGRES, [" & ".join(words), candidates]
                ).fetchall(),
                queries,
            )
    sqlite = sqlite3.connect(database)
    try:
        return _timed(
            lambda words: sqlite.execute(_SQLITE, [" ".join(words), candidates]).fetchall(), queries
        )
    finally:
        sqlite.close()


def _timed(ask: Callable[[Sequence[str]], object], queries: Sequence[Sequence[str]]) -> list[float]:
    ask(queries[0])
    taken = []
    for words in queries:
        began = time.perf_counter()
        ask(words)
        taken.append((time.perf_counter() - began) * 1e3)
    return taken
