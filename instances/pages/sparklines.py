"""Small charts as SVG, drawn by the server: no script, no style of their own, and told in words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

#: In units of the drawing; style sheets scale it.
WIDTH, HEIGHT, MARGIN = 240, 48, 3


@dataclass(frozen=True, slots=True)
class Series:
    """What was measured, in equal spans of time, oldest first; `None` where nothing was."""

    title: str
    unit: str
    values: Sequence[float | None]
    top: float = 0  # the scale reaches up to this at least
    limit: float | None = None  # drawn as a line across
    bridged: int = 0  # so many empty spans do not interrupt the line


@dataclass(frozen=True, slots=True)
class Sparkline:
    title: str
    words: str  # all that the drawing tells
    latest: str
    lines: tuple[str, ...]  # `points` of polylines
    limit_y: str = ""
    width: int = WIDTH
    height: int = HEIGHT


def draw(series: Series) -> Sparkline:
    known = [value for value in series.values if value is not None]
    if not known:
        return Sparkline(series.title, "nothing was measured", "–", ())
    top = max(*known, series.top, series.limit or 0, 1e-9)
    step = (WIDTH - 2 * MARGIN) / max(len(series.values) - 1, 1)

    def place(span: int, value: float) -> tuple[float, float]:
        return MARGIN + span * step, _y(value, top)

    lines = tuple(_line([place(*one) for one in run]) for run in _runs(series))
    limit_y = "" if series.limit is None else f"{_y(series.limit, top):.1f}"
    return Sparkline(series.title, _words(series, known), _told(known[-1], series), lines, limit_y)


def _y(value: float, top: float) -> float:
    share = min(max(value / top, 0), 1)
    return HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN)


def _line(places: Sequence[tuple[float, float]]) -> str:
    """A single place becomes a dash: a point has no length to be drawn."""
    if len(places) == 1:
        [(x, y)] = places
        places = [(x - MARGIN, y), (x + MARGIN, y)]
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def _runs(series: Series) -> Iterator[list[tuple[int, float]]]:
    """What is drawn without interruption."""
    run: list[tuple[int, float]] = []
    for span, value in enumerate(series.values):
        if value is None:
            continue
        if run and span - run[-1][0] > series.bridged + 1:
            yield run
            run = []
        run.append((span, value))
    if run:
        yield run


def _words(series: Series, known: Sequence[float]) -> str:
    words = (
        f"latest {_told(known[-1], series)}, lowest {_told(min(known), series)},"
        f" highest {_told(max(known), series)}"
    )
    return words if series.limit is None else f"{words}, limit {_told(series.limit, series)}"


def _told(value: float, series: Series) -> str:
    number = f"{value:.1f}" if series.unit == "%" else f"{value:,.0f}"
    return f"{number} {series.unit}"
