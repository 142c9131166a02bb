"""What the templates of the graph pages are given."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Count
from django.utils.safestring import SafeString

from accounts import capabilities
from accounts.names import name_actors
from accounts.principals import Principal
from runs.errors import GraphNotFound
from runs.graph_pages.documents import as_yaml
from runs.graph_pages.drawing import Drawing, draw
from runs.graphs.documents import Graph, parse_graph
from runs.graphs.problems import GraphInvalid, Problem
from runs.graphs.registry import BUILT_IN, FROM_FILE, built_in_graphs
from runs.inspector.formats import count
from runs.inspector.pages import ADMIN, graph_url
from runs.inspector.payloads import colour, colour_yaml, pretty
from runs.models import GraphVersion, Run, RunQuerySet

RUNS_SHOWN = 15
#: Runs of a graph are looked for among so many: no index leads to all of them.
RECENT_RUNS = 10_000


@dataclass(frozen=True, slots=True)
class Row:
    """A graph in the list."""

    id: str
    url: str
    description: str
    node_count: int
    version: str
    source: str
    registered_at: datetime | None
    runs: str
    is_retired: bool


@dataclass(frozen=True, slots=True)
class Version:
    """A version in the table of its graph."""

    hash: str
    url: str
    source: str
    registered_by: str
    registered_at: datetime | None
    is_current: bool
    is_shown: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """The version that the page is about; what cannot be parsed any more has problems."""

    hash: str
    document: Any
    graph: Graph | None
    problems: tuple[Problem, ...] = ()

    @property
    def drawing(self) -> Drawing | None:
        return draw(self.graph) if self.graph is not None else None

    @property
    def yaml(self) -> SafeString:
        return colour_yaml(as_yaml(self.document))

    @property
    def json(self) -> SafeString:
        return colour(pretty(self.document))


def list_context(caller: Principal) -> dict[str, Any]:
    recent = _recent_runs(caller).order_by().values_list("graph_id")
    runs = Counter(dict(recent.annotate(count=Count("id"))))
    rows = [_built_in_row(graph, runs) for graph in built_in_graphs().values()]
    newest: dict[str, GraphVersion] = {}
    others = GraphVersion.objects.exclude(graph_id__in=built_in_graphs())
    for stored in others.order_by("is_current", "registered_at"):
        newest[stored.graph_id] = stored  # the current one comes last
    rows += [_row(stored, runs) for stored in newest.values()]
    return {
        "title": "Graphs",
        "rows": sorted(rows, key=lambda row: (row.is_retired, row.id)),
        "recent_runs": count(RECENT_RUNS),
        "may_register": caller.can(capabilities.SETTINGS_MANAGE),
    }


def graph_context(caller: Principal, graph_id: str, version: str) -> dict[str, Any]:
    """Raises `GraphNotFound`, also for a version that is not there."""
    built_in = built_in_graphs().get(graph_id)
    stored = list(GraphVersion.objects.filter(graph_id=graph_id).order_by("-registered_at"))
    if built_in is None and not stored:
        raise GraphNotFound(f"there is no graph {graph_id!r}")
    shown = _shown(graph_id, version, built_in, stored)
    current = next((item for item in stored if item.is_current), None)
    is_retired = built_in is None and current is None
    return {
        "title": f"Graph {graph_id}",
        "graph_id": graph_id,
        "shown": shown,
        "description": str(shown.document.get("description", "")),
        "versions": _versions(graph_id, shown, built_in, stored),
        "runs": _runs_of(caller, graph_id),
        "is_built_in": built_in is not None,
        "is_from_file": current is not None and current.source.startswith(FROM_FILE),
        "is_retired": is_retired,
        "may_register": caller.can(capabilities.SETTINGS_MANAGE),
    }


def current_document(graph_id: str) -> str:
    """What a new version may begin from, as YAML; "" when there is no such graph."""
    built_in = built_in_graphs().get(graph_id)
    if built_in is not None:
        return as_yaml(built_in.document)
    stored = GraphVersion.objects.filter(graph_id=graph_id, is_current=True).first()
    return as_yaml(stored.document) if stored is not None else ""


def _shown(
    graph_id: str, version: str, built_in: Graph | None, stored: Iterable[GraphVersion]
) -> Shown:
    if built_in is not None and version in ("", built_in.hash):
        return Shown(built_in.hash, built_in.document, built_in)
    by_currency = sorted(stored, key=lambda item: not item.is_current)
    for item in by_currency:
        if version in ("", item.hash):
            try:
                return Shown(item.hash, item.document, parse_graph(item.document))
            except GraphInvalid as error:  # it was valid to an earlier release
                return Shown(item.hash, item.document, None, error.problems)
    raise GraphNotFound(f"there is no version {version[:12]!r} of graph {graph_id!r}")


def _versions(
    graph_id: str, shown: Shown, built_in: Graph | None, stored: list[GraphVersion]
) -> list[Version]:
    url = graph_url(graph_id)
    names = name_actors({item.registered_by for item in stored})
    rows = [
        Version(
            hash=item.hash,
            url=f"{url}?version={item.hash}",
            source=item.source,
            registered_by=names[item.registered_by],
            registered_at=item.registered_at,
            is_current=item.is_current and built_in is None,
            is_shown=item.hash == shown.hash,
        )
        for item in stored
        if built_in is None or item.hash != built_in.hash
    ]
    if built_in is None:
        return rows
    is_shown = built_in.hash == shown.hash
    return [Version(built_in.hash, url, BUILT_IN, "", None, True, is_shown), *rows]


def _runs_of(caller: Principal, graph_id: str) -> list[tuple[Run, str]]:
    """The newest ones with their addresses; none where the inspector is off."""
    if not settings.STARPORT_INSPECT:
        return []
    found = _recent_runs(caller).filter(graph_id=graph_id).order_by("-accepted_at", "-id")
    return [(run, ADMIN.run_url(run.id)) for run in found[:RUNS_SHOWN]]


def _recent_runs(caller: Principal) -> RunQuerySet:
    visible = Run.objects.visible_to(caller)
    [*oldest] = Run.objects.order_by("-accepted_at", "-id").values_list("accepted_at", flat=True)[
        RECENT_RUNS - 1 : RECENT_RUNS
    ]
    return visible.filter(accepted_at__gte=oldest[0]) if oldest else visible


def _built_in_row(graph: Graph, runs: Counter[str]) -> Row:
    return Row(
        id=graph.id,
        url=graph_url(graph.id),
        description=graph.description,
        node_count=graph.node_count,
        version=graph.hash,
        source=BUILT_IN,
        registered_at=None,
        runs=count(runs[graph.id]),
        is_retired=False,
    )


def _row(stored: GraphVersion, runs: Counter[str]) -> Row:
    return Row(
        id=stored.graph_id,
        url=graph_url(stored.graph_id),
        description=str(stored.document.get("description", "")),
        node_count=len(stored.document.get("nodes", ())),
        version=stored.hash,
        source=stored.source,
        registered_at=stored.registered_at,
        runs=count(runs[stored.graph_id]),
        is_retired=not stored.is_current,
    )
