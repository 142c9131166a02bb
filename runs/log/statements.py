"""The two statements of an append: move the heads of runs, insert their events.

On SQLite a batch of either is a few statements of many rows; `project.lib.sql.insert` says why.
"""

from collections.abc import Sequence
from functools import cache
from itertools import chain

from django.db import connection

from project.lib import sql
from project.lib.sql import Row
from runs.models import Event, ExternalPayload, MailboxItem, Run

EVENTS = Event._meta.db_table
RUNS = Run._meta.db_table
_EXTERNAL = ExternalPayload._meta.db_table
_MAIL = MailboxItem._meta.db_table

_EVENT_COLUMNS = ("run_id", "seq", "prev_hash", "ts", "kind", "payload", "hash")
_EXTERNAL_COLUMNS = ("run_id", "seq", "digest", "size")
_FENCE = ("id", "head_seq", "lease_token")


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
            return sql.execute_each(self._one, rows)
        matched = 0
        for some in sql.in_parts(rows):
            matched += sql.execute(self._many(len(some)), list(chain.from_iterable(some)))
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
        return self._statement(assignments, f" FROM ({sql.values(len(names), count)}) AS v", fence)

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
    sql.insert(EVENTS, _EVENT_COLUMNS, rows)


def insert_external(rows: Sequence[Row]) -> None:
    """References to payloads in the artifact store: run id, seq, digest, size."""
    sql.insert(_EXTERNAL, _EXTERNAL_COLUMNS, rows)
