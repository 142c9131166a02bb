"""Finding chunks by their words: FTS5 on SQLite, a tsvector on PostgreSQL.

Both stem English words and know no stop words. SQLite ranks by bm25 over all chunks of the
database, PostgreSQL by `ts_rank` for the length of the chunk; less is better in either.
"""

from collections.abc import Sequence

from django.db import connection

from chat.memory.queries import Term

Ranked = list[tuple[int, float]]

# FTS5 hands its matches out best first; the index of owners tells whose each is without its row.
_SQLITE = """
    SELECT rowid, rank FROM chat_memorytext
    WHERE chat_memorytext MATCH %s AND EXISTS (
        SELECT 1 FROM chat_memorychunk AS chunk INDEXED BY memory_chunk_owner
        WHERE chunk.owner IN (%s, %s) AND chunk.id = chat_memorytext.rowid
    )
    ORDER BY rank LIMIT %s
"""
# 1: a chunk counts less by the logarithm of its length, as in bm25.
_POSTGRES = """
    SELECT id, -ts_rank(words, query, 1) AS rank
    FROM chat_memorychunk, to_tsquery('starport_words', %s) AS query
    WHERE words @@ query AND owner IN (%s, %s)
    ORDER BY rank, id LIMIT %s
"""


def best_chunks(owners: tuple[str, str], terms: Sequence[Term], *, limit: int) -> Ranked:
    """Ids of chunks with their scores: of those with all terms, or if there are none, with any."""
    if not terms:
        return []
    found = _ask(owners, terms, any_term=False, limit=limit)
    if not found and len(terms) > 1:
        found = _ask(owners, terms, any_term=True, limit=limit)
    return found


def _ask(owners: tuple[str, str], terms: Sequence[Term], *, any_term: bool, limit: int) -> Ranked:
    if connection.vendor == "sqlite":
        statement, query = _SQLITE, _fts5_query(terms, any_term=any_term)
    else:
        statement, query = _POSTGRES, _tsquery(terms, any_term=any_term)
    with connection.cursor() as cursor:
        cursor.execute(statement, [query, *owners, limit])
        return [(int(pk), float(rank)) for pk, rank in cursor.fetchall()]


# Words are letters and digits alone (chat.memory.queries), so neither language has a say in them.


def _fts5_query(terms: Sequence[Term], *, any_term: bool) -> str:
    phrases = (f'"{" ".join(term.words)}"{"*" if term.is_prefix else ""}' for term in terms)
    return (" OR " if any_term else " ").join(phrases)


def _tsquery(terms: Sequence[Term], *, any_term: bool) -> str:
    phrases = (
        "(" + " <-> ".join(f"'{word}'" for word in term.words) + (":*)" if term.is_prefix else ")")
        for term in terms
    )
    return (" | " if any_term else " & ").join(phrases)
