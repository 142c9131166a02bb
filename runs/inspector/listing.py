"""The list of runs a page at a time, newest first, from wherever the reader stands.

Pages are found by the key of their first or last run, so the thousandth costs what the first
does and nothing is counted; that is also why a page does not say how many there are.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.functions import Substr

from accounts.principals import Principal
from project.lib.clock import now_ns, readable_duration, to_rfc3339
from runs.api import words
from runs.inspector import formats
from runs.models import Run, RunQuerySet
from runs.services.listing import RunSummary

PER_PAGE, MAX_PER_PAGE = 50, 200
QUEUED = words.QUEUED
#: The tabs above the list; "" is all runs that have begun.
TABS = ("", words.COMPLETED, words.FAILED, words.CANCELLED, words.IN_PROGRESS, QUEUED)

HOUR_NS = 3600 * 1_000_000_000
EXCERPT_CHARS = 200  # of goal and error; both may be megabytes

_CURSOR = re.compile(r"([0-9]{1,19})~([A-Za-z0-9_-]{1,64})")


@dataclass(frozen=True, slots=True)
class Cursor:
    """The run next to which a page begins: older ones follow it, or newer ones come before it."""

    started_ns: int
    run_id: str
    is_newer: bool

    def __str__(self) -> str:
        return f"{self.started_ns}~{self.run_id}"


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What the reader asked for."""

    tab: str = ""
    text: str = ""
    has_tools: bool = False
    is_recent: bool = False  # begun in the last hour
    per_page: int = PER_PAGE
    cursor: Cursor | None = None


@dataclass(frozen=True, slots=True)
class Row(RunSummary):
    """A run as the list shows it; texts are cut short."""

    goal: str
    error: str
    provider_id: str
    model_id: str

    @property
    def word(self) -> str:
        return words.status_of(self) or QUEUED

    @property
    def started(self) -> str:
        return "" if self.started_ns is None else to_rfc3339(self.started_ns)

    @property
    def duration(self) -> str:
        return readable_duration(self.duration_ms)

    @property
    def cost(self) -> str:
        return formats.cost(
            self.cost_usd,
            tokens=self.input_tokens + self.output_tokens,
            provider_id=self.provider_id,
            model_id=self.model_id,
        )


_COLUMNS = tuple(Row.__dataclass_fields__)
_CUT = {"goal": Substr("goal", 1, EXCERPT_CHARS), "error": Substr("error", 1, EXCERPT_CHARS)}


@dataclass(frozen=True, slots=True)
class Page:
    """Some runs, newest first, and where to go on in both directions."""

    rows: tuple[Row, ...]
    older: Cursor | None
    newer: Cursor | None


def parse_cursor(older: str, newer: str) -> Cursor | None:
    """The cursor of `?older=` or `?newer=`; nonsense is the first page."""
    found = _CURSOR.fullmatch(older or newer)
    return Cursor(int(found[1]), found[2], not older) if found else None


def read_page(caller: Principal, query: ListQuery) -> Page:
    if query.tab == QUEUED:
        return _read_queued(caller, query)
    cursor = query.cursor
    is_newer = cursor is not None and cursor.is_newer
    keys = _read_keys(caller, query, limit=query.per_page + 1)
    has_more = len(keys) > query.per_page
    keys = keys[: query.per_page]
    if is_newer:
        keys.reverse()
        if not has_more:  # at the top again: show a full first page
            return read_page(caller, _first_page(query))
    has_older, has_newer = has_more or is_newer, is_newer or cursor is not None
    return Page(
        rows=_rows_of(keys),
        older=Cursor(*keys[-1], is_newer=False) if keys and has_older else None,
        newer=Cursor(*keys[0], is_newer=True) if keys and has_newer else None,
    )


def count_queued(caller: Principal) -> int:
    """Runs that nobody has begun; the queue's bound keeps them few."""
    return Run.objects.visible_to(caller).queued().count()


def _first_page(query: ListQuery) -> ListQuery:
    return ListQuery(query.tab, query.text, query.has_tools, query.is_recent, query.per_page)


def _read_keys(caller: Principal, query: ListQuery, *, limit: int) -> list[tuple[int, str]]:
    """(started_ns, id) of the runs of a page, in the cursor's direction."""
    found: RunQuerySet = Run.objects.visible_to(caller).filter(started_ns__isnull=False)
    if query.text:
        found = found.filter(_mentions(query.text))
    if query.has_tools:
        found = found.filter(tool_call_count__gt=0)
    if query.is_recent:
        found = found.filter(started_ns__gte=now_ns() - HOUR_NS)
    is_newer = query.cursor is not None and query.cursor.is_newer
    order = ("started_ns", "id") if is_newer else ("-started_ns", "-id")
    # One query per status: each walks an index in order and stops early, where `status IN (…)`
    # would sort every match. No tab has more than four statuses.
    keys = [
        (started_ns, run_id)
        for runs in _by_status(found, query.tab)
        for started_ns, run_id in _beyond(runs, query.cursor)
        .order_by(*order)
        .values_list("started_ns", "id")[:limit]
        if started_ns is not None
    ]
    keys.sort(reverse=not is_newer)
    return keys[:limit]


def _mentions(text: str) -> Q:
    """Runs with `text` in their id, goal or error, in any letters' case."""
    lookup = "icontains"
    if connection.vendor == "sqlite" and not text.isascii():
        lookup, text = "iregex", re.escape(text)  # SQLite's LIKE folds the case of ASCII alone
    condition = Q()
    for column in ("id", "goal", "error"):
        condition |= Q(**{f"{column}__{lookup}": text})
    return condition


def _by_status(found: RunQuerySet, tab: str) -> Sequence[RunQuerySet]:
    if not tab:
        return [found]
    return [found.filter(status=status) for status in words.statuses_named(tab)]


def _beyond(runs: QuerySet[Run], cursor: Cursor | None) -> QuerySet[Run]:
    if cursor is None:
        return runs
    at, run_id = cursor.started_ns, cursor.run_id
    # The first condition is implied by the second; it is the one an index can begin at.
    if cursor.is_newer:
        return runs.filter(Q(started_ns__gt=at) | Q(id__gt=run_id), started_ns__gte=at)
    return runs.filter(Q(started_ns__lt=at) | Q(id__lt=run_id), started_ns__lte=at)


def _rows_of(keys: Sequence[tuple[int, str]]) -> tuple[Row, ...]:
    ids = [run_id for _, run_id in keys]
    by_id = {row.id: row for row in _read_rows(Run.objects.filter(pk__in=ids))}
    return tuple(by_id[run_id] for run_id in ids if run_id in by_id)


def _read_queued(caller: Principal, query: ListQuery) -> Page:
    """Newest first, without pages: the queue is bounded."""
    waiting: QuerySet[Run] = Run.objects.visible_to(caller).queued()
    if query.text:
        waiting = waiting.filter(_mentions(query.text))
    rows = _read_rows(waiting.order_by("-accepted_at", "-id")[:MAX_PER_PAGE])
    return Page(tuple(rows), None, None)


def _read_rows(runs: QuerySet[Run]) -> list[Row]:
    cut = [f"{name}_cut" if name in _CUT else name for name in _COLUMNS]
    annotated = runs.annotate(**{f"{name}_cut": part for name, part in _CUT.items()})
    return [Row(*values) for values in annotated.values_list(*cut)]
