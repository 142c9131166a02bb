"""Hand-written statements for what every request or every append pays.

To find a row by its key, Django's cursor takes twice as long as SQLite does: it translates the
statement, and wraps the cursor and each call of it, every time. Here a statement is translated
once and goes to the thread's own connection directly. Errors are Django's all the same, and where
somebody listens in (a test that captures queries) or the database is PostgreSQL, Django's cursor
does it.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.asyncio import async_unsafe

Row = tuple[Any, ...]

#: Rows per statement. Few sizes, so that each is prepared once and then found in the cache.
_SIZES = (32, 8, 4, 2, 1)


def fetch_all(statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
    """The rows of a query. Placeholders are `%s`, as everywhere in Django."""
    database = _connection()
    if not _is_direct(database):
        with database.cursor() as cursor:
            cursor.execute(statement, parameters)
            return list(cursor.fetchall())
    with database.wrap_database_errors:
        rows: list[Row] = database.connection.execute(_native(statement), parameters).fetchall()
    return rows


def fetch_one(statement: str, parameters: Sequence[Any] = ()) -> Row | None:
    """The first row. The statement itself says that there is no second one, or bounds it."""
    rows = fetch_all(statement, parameters)
    return rows[0] if rows else None


def execute(statement: str, parameters: Sequence[Any] = ()) -> int:
    """Change something; how many rows were."""
    database = _connection()
    if not _is_direct(database):
        with database.cursor() as cursor:
            cursor.execute(statement, parameters)
            return int(cursor.rowcount)
    with database.wrap_database_errors:
        return int(database.connection.execute(_native(statement), parameters).rowcount)


def insert(table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Add many rows.

    On SQLite with few statements of many rows. Python's `sqlite3` gives up the interpreter lock at
    every row of `executemany` and then waits for it, up to a switch interval each time, while
    another thread is busy: a batch of 32 took 14 ms that way, and takes 4 ms this way. PostgreSQL
    gets one statement per row, which psycopg sends as one pipeline.
    """
    into = f"INSERT INTO {table} ({', '.join(columns)})"
    if _connection().vendor == "sqlite":
        for some in in_parts(rows):
            statement = f"{into} {values(len(columns), len(some))}"
            execute(statement, list(chain.from_iterable(some)))
    else:
        execute_each(f"{into} {values(len(columns), 1)}", rows)


def execute_each(statement: str, rows: Sequence[Row]) -> int:
    """One statement, with each of the rows as its parameters; how many rows it changed."""
    with _connection().cursor() as cursor:
        cursor.executemany(statement, rows)
        return int(cursor.rowcount)


def in_parts(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """`rows` in pieces of the sizes that have a prepared statement."""
    at = 0
    for size in _SIZES:
        while len(rows) - at >= size:
            yield rows[at : at + size]
            at += size


@lru_cache(maxsize=512)
def values(columns: int, rows: int) -> str:
    """A VALUES clause of placeholders."""
    row = f"({', '.join(['%s'] * columns)})"
    return f"VALUES {', '.join([row] * rows)}"


@async_unsafe("You cannot use the database on an event loop. Use in_database_thread.")
def _connection() -> BaseDatabaseWrapper:
    """This thread's connection, open."""
    database = connections[DEFAULT_DB_ALIAS]
    if database.connection is None:
        database.ensure_connection()
    return database


def _is_direct(database: BaseDatabaseWrapper) -> bool:
    return (
        database.vendor == "sqlite"
        and not database.needs_rollback  # Django's cursor refuses then
        and not database.execute_wrappers
        and not database.queries_logged
    )


@lru_cache(maxsize=512)
def _native(statement: str) -> str:
    """With the placeholders of SQLite."""
    return statement.replace("%s", "?").replace("%%", "%")
