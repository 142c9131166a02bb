"""Numbers and targets as people read them, the same on the terminal and in the documentation."""

from bench.core.figure import Row, Target


def number(value: float) -> str:
    """Two or three figures are enough; more would pretend."""
    if value == float("inf"):
        return "–"
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}"


def measured(row: Row) -> str:
    return f"{number(row.value)} {row.unit}"


def ratio(row: Row) -> str:
    return f"{number(row.ratio)} ×"


def target(row: Row) -> str:
    return " and ".join(_bound(row, one) for one in row.targets)


def verdict(row: Row) -> str:
    return {None: "", True: "met", False: "missed"}[row.is_met]


def _bound(row: Row, one: Target) -> str:
    sign = "≥" if one.is_minimum else "≤"
    unit = "×" if one.of == "ratio" else row.unit
    return f"{sign} {number(one.bound)} {unit}"
