"""A graph as one picture, ready for `templates/graphs/_drawing.html`, which escapes all of it."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import timedelta

from runs.graph_pages.edges import ANY, END, START, Edge
from runs.graph_pages.layout import ID_CHARS, LABEL_CHARS, Layout, Line, Place, lay_out, shorten
from runs.graphs.configs import (
    HaltConfig,
    InterruptConfig,
    MapConfig,
    NodeConfig,
    SleepConfig,
    SubgraphConfig,
    ToolConfig,
    WriteArtifactConfig,
)
from runs.graphs.documents import Graph, Node

#: A picture of more nodes than this tells nobody anything; the document does.
MOST_DRAWN = 300
_DETAIL_CHARS = 36
_FITTING = 860  # pixels
_NAMES = {START: "the start", END: "the end", ANY: "any node"}


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a node stands in a run."""

    state: str = ""  # done, current, next, waiting, failed, stopped
    times: int = 0  # how often it finished

    @property
    def badge(self) -> str:
        """In words: colour alone tells too few people."""
        words = {"current": "running", "waiting": "waits", "done": ""}.get(self.state, self.state)
        count = f"×{self.times}" if self.times > 1 else "✓" if self.times else ""
        return " ".join(filter(None, (count, words)))


@dataclass(frozen=True, slots=True)
class Box:
    """A node. `look` is plain, gate or end."""

    place: Place
    id: str
    label: str
    detail: str
    look: str
    state: str
    badge: str

    @property
    def text_x(self) -> int:
        return self.place.x + (30 if self.look != "plain" else 14)

    @property
    def badge_width(self) -> int:
        return len(self.badge) * 7 + 12

    @property
    def badge_x(self) -> int:
        return self.place.x + self.place.width - self.badge_width - 8

    @property
    def badge_middle(self) -> int:
        return self.badge_x + self.badge_width // 2


@dataclass(frozen=True, slots=True)
class Arrow:
    """An edge. `look` is the kind of the edge, or failure."""

    path: str
    look: str
    is_taken: bool
    label: str
    whole_label: str
    label_x: int
    label_y: int
    anchor: str
    title: str


@dataclass(frozen=True, slots=True)
class Drawing:
    title: str
    description: str
    layout: Layout
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    start: Place
    end: Place | None
    any_node: Place | None

    @property
    def looks(self) -> list[str]:
        """Each look once: arrowheads cannot take the colour of their line everywhere."""
        return sorted({arrow.look for arrow in self.arrows})

    @property
    def fits(self) -> bool:
        """Whether it may be made as narrow as its place; wider ones would be too small to read."""
        return self.layout.width <= _FITTING

    @property
    def view_box(self) -> str:
        layout = self.layout
        return f"{layout.left} {layout.top} {layout.width} {layout.height}"


def draw(
    graph: Graph,
    standings: Mapping[str, Standing] | None = None,
    taken: Set[tuple[str, str]] = frozenset(),
) -> Drawing | None:
    """`taken` are pairs of nodes that a run went between. `None` when there is too much to draw."""
    if graph.node_count > MOST_DRAWN:
        return None
    standings = standings or {}
    details = {node.id: _detail(node) for node in graph.nodes.values()}
    layout = lay_out(graph, details.values())
    boxes = tuple(
        _box(node, details[node.id], layout.places[node.id], standings.get(node.id, Standing()))
        for node in graph.nodes.values()
    )
    return Drawing(
        title=f"Graph {graph.id}",
        description=_description(graph, layout, standings),
        layout=layout,
        boxes=boxes,
        arrows=_arrows(layout, taken),
        start=layout.places[START],
        end=layout.places.get(END),
        any_node=layout.places.get(ANY),
    )


def _box(node: Node, detail: str, place: Place, standing: Standing) -> Box:
    looks = {InterruptConfig: "gate", HaltConfig: "end"}
    return Box(
        place=place,
        id=node.id,
        label=shorten(node.id, ID_CHARS),
        detail=detail,
        look=looks.get(type(node.config), "plain"),
        state=standing.state,
        badge=standing.badge,
    )


def _detail(node: Node) -> str:
    more = _more(node.config)
    return shorten(f"{node.kind} · {more}" if more else node.kind, _DETAIL_CHARS)


def _more(config: NodeConfig) -> str:
    """What tells nodes of one kind apart."""
    match config:
        case ToolConfig():
            return config.tool
        case SubgraphConfig():
            return config.graph
        case MapConfig():
            return f"each of {config.over}"
        case SleepConfig():
            return _for(timedelta(seconds=config.seconds))
        case InterruptConfig(timeout=timedelta() as timeout):
            ends = "" if config.timeout_goto else ", then ends"
            return f"{_for(timeout)}{ends}"
        case HaltConfig():
            return config.reason
        case WriteArtifactConfig():
            return config.name
    return str(getattr(config, "model", ""))


def _for(wait: timedelta) -> str:
    seconds = wait.total_seconds()
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size and not seconds % size:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


def _arrows(layout: Layout, taken: Set[tuple[str, str]]) -> tuple[Arrow, ...]:
    """Those that a run took lie on top. The lines of a fan are labelled once."""
    labelled: set[tuple[str, str]] = set()
    arrows = []
    for line in layout.lines:
        fan = (line.edge.source, line.edge.label)
        is_named = line.edge.kind != "fan-out" or fan not in labelled
        labelled.update([fan] if line.edge.kind == "fan-out" else [])
        is_taken = (line.edge.source, line.edge.target) in taken
        arrows.append(_arrow(line, line.edge.label if is_named else "", is_taken))
    return tuple(sorted(arrows, key=lambda arrow: arrow.is_taken))


def _arrow(line: Line, label: str, is_taken: bool) -> Arrow:
    return Arrow(
        path=line.path,
        look="failure" if line.edge.is_failure else line.edge.kind,
        is_taken=is_taken,
        label=shorten(label, LABEL_CHARS),
        whole_label=label,
        label_x=line.label_x,
        label_y=line.label_y,
        anchor=line.anchor,
        title=_sentence(line.edge),
    )


def _sentence(edge: Edge) -> str:
    source, target = (_NAMES.get(item, item) for item in (edge.source, edge.target))
    ways = {
        "continue": "in list order",
        "goto": f"by rule {edge.label}",
        "retry": f"again, by rule {edge.label}",
        "halt": f"by rule {edge.label}",
        "fan-out": f"at the same time as others{f', by rule {edge.label}' if edge.label else ''}",
        "join": "when the branches are done",
        "gate": f"after a human was asked, by rule {edge.label}",
        "timeout": "when nobody answers in time",
    }
    failure = ", after a failure" if edge.is_failure else ""
    return f"{source} to {target} {ways[edge.kind]}{failure}"


def _description(graph: Graph, layout: Layout, standings: Mapping[str, Standing]) -> str:
    """The picture in words, for those who do not see it."""
    nodes = ", ".join(
        f"{node.id} ({node.kind}{_said(standings.get(node.id, Standing()))})"
        for node in graph.nodes.values()
    )
    routes = "; ".join(_sentence(line.edge) for line in layout.lines)
    return f"Nodes: {nodes}. Routes: {routes}."


def _said(standing: Standing) -> str:
    state = f", {standing.state}" if standing.state else ""
    return f"{state}, finished {standing.times} times" if standing.times > 1 else state
