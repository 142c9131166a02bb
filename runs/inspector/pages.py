"""What the templates are given. The same pages stand below /inspect/ and inside the admin."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db import connection
from django.http import HttpRequest, QueryDict
from django.urls import reverse

from accounts.principals import Principal
from runs.api import words
from runs.errors import RunNotFound
from runs.inspector import formats
from runs.inspector.detail import DetailQuery, read_detail
from runs.inspector.listing import (
    MAX_PER_PAGE,
    PER_PAGE,
    TABS,
    Cursor,
    ListQuery,
    Row,
    count_queued,
    parse_cursor,
    read_page,
)
from runs.inspector.timeline import WINDOW
from runs.models import Run
from runs.services.listing import RunDetail

SEARCH_CHARS = 200
MAX_SEQ = 2**31 - 1  # what the column holds


@dataclass(frozen=True, slots=True)
class Place:
    """Where the pages are mounted: the names of their URLs."""

    list_name: str
    run_name: str

    @property
    def list_url(self) -> str:
        return reverse(self.list_name)

    def run_url(self, run_id: str) -> str:
        return reverse(self.run_name, args=[run_id])


INSPECT = Place("inspect-list", "inspect-run")
ADMIN = Place("admin:runs_run_changelist", "admin:runs_run_change")


def list_context(caller: Principal, request: HttpRequest, place: Place) -> dict[str, Any]:
    query = _list_query(request.GET)
    page = read_page(caller, query)
    return {
        "title": "Runs",
        "place": place,
        "query": query,
        "tabs": [_tab(caller, name, query) for name in TABS],
        "chips": [
            ("with tool calls", query.has_tools, _link(query, tools=not query.has_tools)),
            ("last hour", query.is_recent, _link(query, recent=not query.is_recent)),
        ],
        "rows": [(row, place.run_url(row.id)) for row in page.rows],
        "totals": _totals(page.rows),
        "older": page.older and _link(query, cursor=page.older),
        "newer": page.newer and _link(query, cursor=page.newer),
        "database": _database_name(),
    }


def detail_context(
    caller: Principal, request: HttpRequest, run_id: str, place: Place
) -> dict[str, Any]:
    """Raises `RunNotFound`."""
    params = request.GET
    after = _number(params, "after", smallest=0)
    seq = _number(params, "seq", smallest=1)
    query = DetailQuery(after, seq, validates=params.get("validate") == "1")
    detail = read_detail(caller, run_id, query)
    parent = detail.facts.parent_id
    return {
        "title": f"Run {run_id}",
        "place": place,
        "detail": detail,
        "run_url": place.run_url(run_id),
        "answer_url": answer_url(detail.run) if place is ADMIN else "",
        "graph_url": graph_url(detail.facts.graph_id) if place is ADMIN else "",
        "parent_url": place.run_url(parent) if parent else "",
        "last_after": max(0, detail.run.head_seq - 1) // WINDOW * WINDOW,
        "live_url": reverse("inspect-live", args=[run_id]),
        "event_url": reverse("inspect-event", args=[run_id, 0]).removesuffix("0"),
        "stream_url": f"{reverse('api-v1-run', args=[run_id])}/stream",
        "database": _database_name(),
    }


def answer_url(run: RunDetail) -> str:
    """Where somebody with an admin's login answers the run; "" when it waits for nobody."""
    return reverse("approval", args=[run.id]) if run.status == Run.Status.AWAITING_INPUT else ""


def graph_url(graph_id: str) -> str:
    """The page of a graph in the admin."""
    return reverse("admin:runs_graphversion_change", args=[graph_id])


def read_seq(text: str) -> int:
    """A seq out of a path. Raises `RunNotFound` for a number that no event can have."""
    seq = _whole_number(text)
    if not 0 < seq <= MAX_SEQ:
        raise RunNotFound("there is no such event")
    return seq


def read_after(params: QueryDict) -> int:
    return _number(params, "after", smallest=0) or 0


def _list_query(params: QueryDict) -> ListQuery:
    """Whatever makes no sense is as if it were not there: this is a page, not an API."""
    tab = params.get("status", "").strip().lower()
    per_page = _number(params, "per_page", smallest=1) or PER_PAGE
    return ListQuery(
        tab=tab if tab in TABS else "",
        text=params.get("q", "").replace("\x00", "").strip()[:SEARCH_CHARS],
        has_tools=params.get("tools") == "1",
        is_recent=params.get("recent") == "1",
        per_page=min(per_page, MAX_PER_PAGE),
        cursor=parse_cursor(params.get("older", ""), params.get("newer", "")),
    )


def _number(params: QueryDict, name: str, *, smallest: int) -> int | None:
    number = _whole_number(params.get(name, ""))
    return number if smallest <= number <= MAX_SEQ else None


def _whole_number(text: str) -> int:
    """-1 for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else -1


def _tab(caller: Principal, name: str, query: ListQuery) -> tuple[str, bool, str]:
    """Label, whether it is the current one, and link."""
    label = name or "all"
    if name == words.QUEUED and (waiting := count_queued(caller)):
        label = f"{label} {waiting}"
    return label, name == query.tab, _link(query, tab=name)


def _link(
    query: ListQuery,
    *,
    tab: str | None = None,
    tools: bool | None = None,
    recent: bool | None = None,
    cursor: Cursor | None = None,
) -> str:
    """The query string of this list with something changed; all else stays as chosen."""
    params = {
        "status": query.tab if tab is None else tab,
        "q": query.text,
        "tools": "1" if (query.has_tools if tools is None else tools) else "",
        "recent": "1" if (query.is_recent if recent is None else recent) else "",
        "per_page": "" if query.per_page == PER_PAGE else str(query.per_page),
    }
    if cursor is not None:
        params["newer" if cursor.is_newer else "older"] = str(cursor)
    return "?" + urlencode({name: value for name, value in params.items() if value})


def _totals(rows: tuple[Row, ...]) -> list[tuple[str, str]]:
    return [
        ("runs", formats.count(len(rows))),
        ("turns", formats.count(sum(row.turn_count for row in rows))),
        ("tool calls", formats.count(sum(row.tool_call_count for row in rows))),
        ("input tok", formats.count(sum(row.input_tokens for row in rows))),
        ("output tok", formats.count(sum(row.output_tokens for row in rows))),
        ("cost", formats.usd(sum(row.cost_usd for row in rows))),
    ]


def _database_name() -> str:
    """Base name only: where it lies is the operator's business."""
    return str(connection.settings_dict["NAME"]).rpartition("/")[2]
