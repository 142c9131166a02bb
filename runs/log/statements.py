"""The two statements of an append: move the heads of runs, insert their events.

On SQLite a batch goes in with few statements of many rows. Python's `sqlite3` gives up the
interpreter lock at every row of `executemany` and then waits for it, up to a switch interval each
time, while the event loop is busy: a batch of 32 took 14 ms that way, and takes 4 ms this way.
PostgreSQL gets one statement per row, which psycopg sends as one pipeline.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain

from django.db import connection

from project.lib.sql import Row, execute
from runs.models import Event, ExternalPayload, MailboxItem, Run

EVENTS = Event._meta.db_table
RUNS = Run._meta.db_table
_EXTERNAL = ExternalPayload._meta.db_table
_MAIL = MailboxItem._meta.db_table

_EVENT_COLUMNS = ("run_id", "seq", "prev_hash", "ts", "kind", "payload", "hash")
_INSERT = f"INSERT INTO {EVENTS} ({', '.join(_EVENT_COLUMNS)}) VALUES "  # noqa: S608
_INSERT_EXTERNAL = f"INSERT INTO {_EXTERNAL} (run_id, seq, digest, size) VALUES (%s, %s, %s, %s)"  # noqa: S608
_FENCE = ("id", "head_seq", "lease_token")

#: Rows per statement. Few sizes, so that each is prepared once and then found in the cache.
_SIZES = (32, 8, 4, 2, 1)


class HeadUpdate:
    """Moves the heads of runs, each fenced by the head and the lease that its append assumed."""

    def __init__(self, columns: Sequence[str], *, sets: str = "", condition: str = "") -> None:
        self.columns = tuple(columns)
        self._sets = sets
        self._condition = condition
        assignments = ", ".join(f"{column} = %s" for column in self.columns)
        fence = " AND ".join(f"{column} = %s" for column in _FENCE)
        self._one = self._statement(assignments, "", fence)

    def execute(self, rows: Sequence[Row]) -> int:
        """Each row: the values of `columns`, then id, head and lease. How many runs matched."""
        if connection.vendor != "sqlite":
            return _execute_each(self._one, rows)
        matched = 0
        for some in _parts(rows):
            matched += execute(self._many(len(some)), list(chain.from_iterable(some)))
        return matched

    @cache  # noqa: B019 - its few instances live as long as the module
    def _many(self, count: int) -> str:
        if count == 1:
            return self._one
        names = [f"v.column{place}" for place in range(1, len(self.columns) + len(_FENCE) + 1)]
        assignments = ", ".join(
            f"{column} = {name}" for column, name in zip(self.columns, names, strict=False)
        )
        fence = " AND ".join(
            f"{RUNS}.{column} = {name}"
            for column, name in zip(_FENCE, names[len(self.columns) :], strict=True)
        )
        return self._statement(assignments, f" FROM ({_values(len(names), count)}) AS v", fence)

    def _statement(self, assignments: str, source: str, fence: str) -> str:
        return (
            f"UPDATE {RUNS} SET {assignments}{self._sets}{source}"  # noqa: S608
            f" WHERE {fence} AND terminal_kind IS NULL{self._condition}"
        )


_PROGRESS = (
    "head_seq", "head_hash", "last_event_ns", "turn_count", "tool_call_count",
    "input_tokens", "output_tokens", "cost_usd", "final_text",
)  # fmt: skip
_MILESTONE = (
    *_PROGRESS, "status", "started_ns", "provider_id", "model_id", "error", "error_type",
    "cancel_reason", "terminal_kind", "finished_ns", "merkle_root", "wake_ns",
)  # fmt: skip
# A run that ended or waits holds no lease, from the same commit on.
_RELEASED = ", lease_token = '', lease_owner = '', lease_expires_at = NULL"

PROGRESS = HeadUpdate(_PROGRESS)
MILESTONE = HeadUpdate(_MILESTONE)
RELEASE = HeadUpdate(_MILESTONE, sets=_RELEASED)
# Success waits for mail: a message that was accepted while the last answer came is not lost.
COMPLETE = HeadUpdate(
    _MILESTONE,
    sets=_RELEASED,
    condition=f" AND NOT EXISTS (SELECT 1 FROM {_MAIL} WHERE {_MAIL}.run_id = {RUNS}.id)",  # noqa: S608
)


def insert_events(rows: Sequence[Row]) -> None:
    """Each row: run id, seq, previous hash, time, kind, payload, hash."""
    if connection.vendor != "sqlite":
        _execute_each(_insertion(1), rows)
        return
    for some in _parts(rows):
        execute(_insertion(len(some)), list(chain.from_iterable(some)))


def insert_external(rows: Sequence[Row]) -> None:
    """References to payloads in the artifact store: run id, seq, digest, size."""
    _execute_each(_INSERT_EXTERNAL, rows)


def _execute_each(statement: str, rows: Sequence[Row]) -> int:
    with connection.cursor() as cursor:
        cursor.executemany(statement, rows)
        return int(cursor.rowcount)


@cache
def _insertion(count: int) -> str:
    return _INSERT + _values(len(_EVENT_COLUMNS), count).removeprefix("VALUES ")


def _values(columns: int, count: int) -> str:
    row = f"({', '.join(['%s'] * columns)})"
    return f"VALUES {', '.join([row] * count)}"


def _parts(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """`rows` in pieces of the sizes that have a prepared statement."""
    at = 0
    for size in _SIZES:
        while len(rows) - at >= size:
            yield rows[at : at + size]
            at += size
