"""Reading runs: the page of a list, one run, and how many there are.

Everything comes from columns that the append keeps up to date; no log is folded here.
"""

import re
import threading
import time
from collections.abc import Hashable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Q, QuerySet

from accounts.principals import Principal
from project.lib.clock import now_ns
from project.lib.sql import fetch_all
from runs.errors import RunNotFound
from runs.log import milestones
from runs.models import Run, RunQuerySet

#: Counts of runs that this process remembers.
TOTALS = 256
#: Seconds until a remembered count is doubted although nothing happened here: other processes.
TOTAL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run as lists show it; the fields are columns of `Run`."""

    id: str
    status: str
    head_seq: int
    started_ns: int | None
    last_event_ns: int | None
    finished_ns: int | None
    turn_count: int
    tool_call_count: int
    input_tokens: int
    output_tokens: int
    cost_usd: float

    @property
    def has_events(self) -> bool:
        return self.head_seq > 0

    @property
    def is_finished(self) -> bool:
        return self.status in Run.TERMINAL

    @property
    def duration_ms(self) -> int:
        """First to last event, floored; 0 without events."""
        if self.started_ns is None or self.last_event_ns is None:
            return 0
        return max(0, (self.last_event_ns - self.started_ns) // 1_000_000)


@dataclass(frozen=True, slots=True)
class RunDetail(RunSummary):
    """A run as its own page shows it."""

    head_hash: bytes | None
    goal: str
    graph_id: str
    provider_id: str
    model_id: str
    final_text: str
    error: str
    error_type: str
    cancel_reason: str
    merkle_root: bytes | None
    terminal_kind: int | None


_SUMMARY = tuple(RunSummary.__dataclass_fields__)
_DETAIL = tuple(RunDetail.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class RunFilter:
    """What a list is asked for. `None` for `statuses` is all of them.

    `text` is looked for in ids, goals and errors; a run also matches when its status is one of
    `text_statuses`, whose name in the caller's dialect contains the text.
    """

    statuses: tuple[str, ...] | None = None
    text: str = ""
    text_statuses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunPage:
    runs: list[RunSummary]
    total: int  # of all pages


def list_runs(caller: Principal, wanted: RunFilter, *, limit: int, offset: int) -> RunPage:
    """Runs that have begun, newest first: by start, then by id."""
    if wanted.statuses == () or not _sees_any(caller):
        return RunPage([], 0)
    statement = (_list_statement if not wanted.text else _compile_list)(
        caller.sees_all_runs, wanted
    )
    runs = [RunSummary(*row) for row in statement.rows(caller, limit=limit, offset=offset)]
    if len(runs) < limit and (runs or offset == 0):
        return RunPage(runs, offset + len(runs))  # the last page tells the total by itself
    return RunPage(runs, max(_totals.get(caller, wanted), offset + len(runs) if runs else 0))


def find_run(caller: Principal, run_id: str) -> RunDetail:
    """Raises `RunNotFound` for a run that is not there, or not for this caller to see."""
    rows = []
    if _sees_any(caller):
        rows = _find_statement(caller.sees_all_runs).rows(caller, run_id=run_id, limit=1)
    if not rows:
        raise RunNotFound(f"there is no run {run_id}")
    return RunDetail(*rows[0])


def find_summary(run_id: str) -> RunSummary | None:
    """A run's row as it is now, for somebody who was let in already."""
    row = Run.objects.filter(pk=run_id).values_list(*_SUMMARY).first()
    return None if row is None else RunSummary(*row)


def is_retained(finished_ns: int | None) -> bool:
    """Whether a run counts as a job of the daemon: it goes on, or has ended lately."""
    retention: float = settings.STARPORT_JOB_RETENTION
    if finished_ns is None or retention < 0:
        return True
    return now_ns() - finished_ns < retention * 1_000_000_000


# --- Statements -------------------------------------------------------------------------------

_CALLER, _RUN = "<caller>", "<run>"  # stand where a statement's values go


@dataclass(frozen=True, slots=True)
class _Statement:
    """A queryset as SQL. Building it takes the ORM longer than the database takes to answer."""

    sql: str
    parameters: tuple[object, ...]

    @classmethod
    def of(cls, found: QuerySet[Run], columns: tuple[str, ...]) -> "_Statement":
        sql, parameters = found.values_list(*columns).query.sql_with_params()
        return cls(f"{sql} LIMIT %s OFFSET %s", parameters)

    def rows(
        self, caller: Principal, *, run_id: str = "", limit: int, offset: int = 0
    ) -> list[Any]:
        values = {_CALLER: caller.user_id, _RUN: run_id}
        filled = [values.get(value, value) for value in self.parameters]  # type: ignore[call-overload]
        return fetch_all(self.sql, [*filled, limit, offset])


def _sees_any(caller: Principal) -> bool:
    return caller.sees_all_runs or caller.user_id is not None


def _visible(sees_all: bool) -> RunQuerySet:
    anybody = Principal(
        actor="", user_id=_CALLER, capabilities=frozenset(), sees_all_runs=sees_all, provider=""
    )
    return Run.objects.visible_to(anybody)


@cache
def _find_statement(sees_all: bool) -> _Statement:
    return _Statement.of(_visible(sees_all).filter(pk=_RUN), _DETAIL)


def _compile_list(sees_all: bool, wanted: RunFilter) -> _Statement:
    found: QuerySet[Run] = _matching(_visible(sees_all), wanted)
    if wanted.statuses is not None:
        # One branch per status: each is an ordered index scan and the database merges them, where
        # `status IN (…)` would sort every match to show the first fifty.
        first, *others = [found.filter(status=status) for status in wanted.statuses]
        found = first.union(*others, all=True) if others else first
    return _Statement.of(found.order_by("-started_ns", "-id"), _SUMMARY)


_list_statement = lru_cache(maxsize=64)(_compile_list)  # for filters without text: they are few


def _matching(visible: RunQuerySet, wanted: RunFilter) -> RunQuerySet:
    begun: RunQuerySet = visible.filter(started_ns__isnull=False)
    return begun.filter(_text_condition(wanted)) if wanted.text else begun


def _text_condition(wanted: RunFilter) -> Q:
    lookup, text = "icontains", wanted.text
    if connection.vendor == "sqlite" and not text.isascii():
        lookup, text = "iregex", re.escape(text)  # SQLite's LIKE folds the case of ASCII alone
    condition = Q(status__in=wanted.text_statuses)
    for column in ("id", "goal", "error"):
        condition |= Q(**{f"{column}__{lookup}": text})
    return condition


# --- Totals -----------------------------------------------------------------------------------


def _count(caller: Principal, wanted: RunFilter) -> int:
    found = _matching(Run.objects.visible_to(caller), wanted)
    if wanted.statuses is not None:
        found = found.filter(status__in=wanted.statuses)
    return found.count()


@dataclass(frozen=True, slots=True)
class _Total:
    count: int
    milestone: int
    counted_at: float  # monotonic seconds


class _Totals:
    """Remembered counts: a page of fifty among 100,000 runs must not cost a count of 100,000."""

    def __init__(self) -> None:
        self._totals: dict[Hashable, _Total] = {}
        self._counting = threading.Lock()

    def get(self, caller: Principal, wanted: RunFilter) -> int:
        key = (connection.alias, caller.sees_all_runs or caller.user_id, wanted)
        total = self._fresh(key)
        if total is not None:
            return total
        with self._counting:  # whoever asks meanwhile gets the same answer
            total = self._fresh(key)
            return self._count_now(key, caller, wanted) if total is None else total

    def _fresh(self, key: Hashable) -> int | None:
        known = self._totals.get(key)
        if known is None or known.milestone != milestones.current():
            return None
        return known.count if time.monotonic() - known.counted_at < TOTAL_SECONDS else None

    def _count_now(self, key: Hashable, caller: Principal, wanted: RunFilter) -> int:
        # Noted before counting: what happens meanwhile makes this count stale, never hides.
        milestone, at = milestones.current(), time.monotonic()
        count = _count(caller, wanted)
        if len(self._totals) >= TOTALS:
            self._totals.clear()
        self._totals[key] = _Total(count, milestone, at)
        return count


_totals = _Totals()
