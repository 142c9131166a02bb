"""Steps of graph runs per second, and what one costs: the engine beside LangGraph."""

from dataclasses import dataclass

from bench.core.figure import Figure, Row, Scale, Target, ratio_at_least
from bench.core.isolated import run_isolated
from bench.core.surroundings import fresh_folder


@dataclass(frozen=True, slots=True)
class _Size:
    runs: int  # of twenty steps each, per measurement
    at_a_time: tuple[int, ...]
    repetitions: int  # after one that warms up


_SIZES = {
    Scale.FULL: _Size(96, (32, 1), 5),
    Scale.QUICK: _Size(64, (32, 1), 2),
    Scale.TINY: _Size(4, (4, 1), 1),
}
_VARIABLES = {"STARPORT_QUEUE": "100000", "LANGSMITH_TRACING": "false"}
#: LangGraph's default begins the next step while the one before is being written, as ours does.
_TARGETS: dict[str, tuple[Target, ...]] = {"sync": (ratio_at_least(2),), "async": ()}


def measure(scale: Scale) -> list[Row]:
    size = _SIZES[scale]
    with fresh_folder() as data:
        rates = run_isolated(
            "bench.workloads.graph_steps:measure",
            data,
            _VARIABLES,
            runs=size.runs,
            at_a_time=size.at_a_time,
            repetitions=size.repetitions,
        )
    return [
        _row(count, durability, rates[str(count)])
        for count in size.at_a_time
        for durability in _TARGETS
    ]


def _row(count: int, durability: str, rates: dict[str, float]) -> Row:
    ours, theirs = rates["starport"], rates[durability]
    beside = "" if durability == "sync" else f", beside LangGraph's {durability}"
    return Row(
        label=f"graph steps, {count} run{'s' if count > 1 else ''} at a time{beside}",
        value=ours,
        unit="steps/s",
        yardstick=f"LangGraph, durability {durability}",
        yardstick_value=theirs,
        targets=_TARGETS[durability],
        detail=f"{1e3 / ours:.2f} ms a step (LangGraph {1e3 / theirs:.2f} ms)",
    )


FIGURE = Figure("steps", "Graph steps per second", measure)
