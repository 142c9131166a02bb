"""Where everything in a drawing is: nodes in rows from top to bottom in list order, branches side
by side. What skips nodes runs down the right, what goes back runs up the left. All in pixels.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from runs.graph_pages.edges import ANY, END, START, Edge, edges_of, parallels
from runs.graphs.documents import Graph

BOX_HEIGHT = 46
ROW_GAP = 40
COLUMN_GAP = 24
MARGIN = 14
LANE_GAP = 20  # beside the longest label of the lane before
LABEL_CHARS = 26
ID_CHARS = 28
_LETTER = 7  # of a node's id
_SMALL_LETTER = 6.5  # of details and labels
_MARKS = {START: (14, 14), END: (52, 24), ANY: (132, 24)}


@dataclass(frozen=True, slots=True)
class Place:
    """A box or a mark: its upper left corner and its size."""

    x: int
    y: int
    width: int
    height: int
    row: int
    is_first: bool = True  # in its row
    is_last: bool = True

    @property
    def middle(self) -> int:
        return self.x + self.width // 2

    @property
    def bottom(self) -> int:
        return self.y + self.height

    def leaving(self, index: int, count: int) -> int:
        """Height at which one of `count` lines leaves by the side; they arrive above it."""
        return self.y + self.height // 2 + self.height * (index + 1) // (2 * (count + 1))

    @property
    def arriving(self) -> int:
        return self.y + self.height // 3


@dataclass(frozen=True, slots=True)
class Line:
    """The path of an edge, and where its label stands."""

    edge: Edge
    path: str
    label_x: int
    label_y: int
    anchor: str  # start, end


@dataclass(frozen=True, slots=True)
class Layout:
    """What is shown begins at `left` and `top`, which may be negative."""

    left: int
    top: int
    width: int
    height: int
    places: dict[str, Place]
    lines: tuple[Line, ...]


def lay_out(graph: Graph, details: Iterable[str]) -> Layout:
    """`details` are the texts below the nodes' ids; they decide how wide boxes are."""
    edges = edges_of(graph)
    rows = _rows(graph, edges)
    box = _box_width(graph, details)
    places = _places(rows, box)
    straight = [edge for edge in edges if _rows_between(places, edge) == 1]
    ahead = [edge for edge in edges if _rows_between(places, edge) > 1]
    back = [edge for edge in edges if _rows_between(places, edge) < 1]
    left = min(place.x for place in places.values())
    right = max(place.x + place.width for place in places.values())
    lines = [
        *_straight_lines(straight, places),
        *_lane_lines(ahead, places, edge_of_boxes=right, side=1),
        *_lane_lines(back, places, edge_of_boxes=left, side=-1),
    ]
    return _framed(places, lines, left, right)


def shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _rows(graph: Graph, edges: Sequence[Edge]) -> list[list[str]]:
    ends = {END for edge in edges if edge.target == END}
    top = [START, ANY] if any(edge.source == ANY for edge in edges) else [START]
    row_of: dict[str, list[str]] = {}
    for block in parallels(graph):
        together = [target for target in block.targets if target not in row_of]
        row_of.update(dict.fromkeys(together, together))
    rows: list[list[str]] = [top]
    placed: set[str] = set()
    for node_id in graph.nodes:
        if node_id not in placed:
            rows.append(row_of.get(node_id, [node_id]))
            placed.update(rows[-1])
    return [*rows, *([end] for end in ends)]


def _box_width(graph: Graph, details: Iterable[str]) -> int:
    ids = max(min(len(node_id), ID_CHARS) * _LETTER for node_id in graph.nodes)
    below = max((int(len(detail) * _SMALL_LETTER) for detail in details), default=0)
    return max(150, max(ids, below) + 44)


def _places(rows: Sequence[Sequence[str]], box: int) -> dict[str, Place]:
    places: dict[str, Place] = {}
    y = 0
    for number, row in enumerate(rows):
        sizes = [_MARKS.get(item, (box, BOX_HEIGHT)) for item in row]
        # The first row's start stands above the middle, whatever is beside it.
        centred = sizes[:1] if row[0] == START else sizes
        x = -(sum(width for width, _ in centred) + COLUMN_GAP * (len(centred) - 1)) // 2
        for index, (item, (width, height)) in enumerate(zip(row, sizes, strict=True)):
            places[item] = Place(
                x, y, width, height, number, is_first=not index, is_last=index == len(row) - 1
            )
            x += width + COLUMN_GAP
        y += max(height for _, height in sizes) + ROW_GAP
    return places


def _rows_between(places: dict[str, Place], edge: Edge) -> int:
    return places[edge.target].row - places[edge.source].row


def _straight_lines(edges: Sequence[Edge], places: dict[str, Place]) -> list[Line]:
    """From bottom to top; several between the same two stand beside each other."""
    pairs: dict[tuple[str, str], list[Edge]] = {}
    for edge in edges:
        pairs.setdefault((edge.source, edge.target), []).append(edge)
    lines = []
    for (source_id, target_id), same in pairs.items():
        source, target = places[source_id], places[target_id]
        # What has a label stands last, hence with nothing to the right of it.
        for index, edge in enumerate(sorted(same, key=lambda item: bool(item.label))):
            shift = (2 * index - len(same) + 1) * 12
            x1, x2 = source.middle + shift, target.middle + shift
            y1, y2 = source.bottom, target.y
            bend = (y2 - y1) // 2
            path = f"M{x1} {y1} C{x1} {y1 + bend} {x2} {y2 - bend} {x2} {y2}"
            lines.append(Line(edge, path, (x1 + x2) // 2 + 7, y1 + bend + 4, "start"))
    return lines


def _lane_lines(
    edges: Sequence[Edge], places: dict[str, Place], *, edge_of_boxes: int, side: int
) -> list[Line]:
    """Lines around the boxes, each in a lane of its own; short ones are closest. `side`: 1, -1."""
    lanes: list[list[Edge]] = []
    for edge in sorted(edges, key=lambda item: abs(_rows_between(places, item))):
        for lane in lanes:
            if not any(_overlap(places, edge, other) for other in lane):
                lane.append(edge)
                break
        else:
            lanes.append([edge])
    lines = []
    leaving = [edge.source for lane in lanes for edge in lane]
    left: Counter[str] = Counter()
    x = edge_of_boxes
    for lane in lanes:
        x += side * LANE_GAP
        for edge in lane:
            place, count = places[edge.source], leaving.count(edge.source)
            # Who goes furthest leaves lowest on its way down, and highest on its way up.
            index = left[edge.source] if side > 0 else count - 1 - left[edge.source]
            left[edge.source] += 1
            lines.append(_lane_line(edge, places, x, side, place.leaving(index, count)))
        longest = max(min(len(edge.label), LABEL_CHARS) for edge in lane)
        x += side * int(longest * _SMALL_LETTER)
    return lines


def _overlap(places: dict[str, Place], one: Edge, other: Edge) -> bool:
    (top, bottom), (other_top, other_bottom) = (
        sorted((places[edge.source].row, places[edge.target].row)) for edge in (one, other)
    )
    return top <= other_bottom and other_top <= bottom


def _lane_line(edge: Edge, places: dict[str, Place], x: int, side: int, y: int) -> Line:
    source, target = places[edge.source], places[edge.target]
    leaves_by_side = source.is_last if side > 0 else source.is_first
    arrives_by_side = target.is_last if side > 0 else target.is_first
    points: list[tuple[int, int]] = []
    if leaves_by_side:
        edge_x = source.x + source.width if side > 0 else source.x
        points += [(edge_x, y), (x, y)]
    else:  # a neighbour is in the way: below the row
        below = source.bottom + ROW_GAP // 3
        points += [(source.middle, source.bottom), (source.middle, below), (x, below)]
    if arrives_by_side:
        edge_x = target.x + target.width if side > 0 else target.x
        points += [(x, target.arriving), (edge_x, target.arriving)]
    else:
        above = target.y - ROW_GAP // 3
        points += [(x, above), (target.middle, above), (target.middle, target.y)]
    ys = [point_y for point_x, point_y in points if point_x == x]
    anchor = "start" if side > 0 else "end"
    return Line(edge, _rounded(points), x + side * 6, (min(ys) + max(ys)) // 2 + 4, anchor)


def _rounded(points: Sequence[tuple[int, int]], radius: int = 7) -> str:
    path = f"M{points[0][0]} {points[0][1]}"
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        near, far = _towards(corner, before, radius), _towards(corner, after, radius)
        path += f" L{near[0]} {near[1]} Q{corner[0]} {corner[1]} {far[0]} {far[1]}"
    return f"{path} L{points[-1][0]} {points[-1][1]}"


def _towards(point: tuple[int, int], goal: tuple[int, int], distance: int) -> tuple[int, int]:
    dx, dy = goal[0] - point[0], goal[1] - point[1]
    length = abs(dx) + abs(dy)  # one of them is zero
    step = min(distance, length // 2)
    return (
        point[0] + (step if dx > 0 else -step if dx < 0 else 0),
        point[1] + (step if dy > 0 else -step if dy < 0 else 0),
    )


def _framed(places: dict[str, Place], lines: Sequence[Line], left: int, right: int) -> Layout:
    for line in lines:
        reach = int(min(len(line.edge.label), LABEL_CHARS) * _SMALL_LETTER) + 4
        if line.anchor == "end":
            left = min(left, line.label_x - reach)
        else:
            right = max(right, line.label_x + reach)
    return Layout(
        left=left - MARGIN,
        top=-MARGIN,
        width=right - left + 2 * MARGIN,
        height=max(place.bottom for place in places.values()) + 2 * MARGIN,
        places=places,
        lines=tuple(lines),
    )
