"""Durable events per second, and how group commit carries many runs at once."""

from dataclasses import dataclass

from bench.core.figure import Figure, Row, Scale, Target, ratio_at_least
from bench.core.isolated import run_isolated
from bench.core.surroundings import fresh_folder


@dataclass(frozen=True, slots=True)
class _Size:
    concurrencies: tuple[int, ...]
    events: int  # per measurement
    repetitions: int


_SIZES = {
    Scale.FULL: _Size((1, 8, 32, 200), 12_800, 5),
    Scale.QUICK: _Size((1, 8, 32, 200), 6_400, 2),
    Scale.TINY: _Size((1, 4), 40, 1),
}
_TARGETS: dict[int, tuple[Target, ...]] = {32: (ratio_at_least(0.6),)}
_GROUPS_OF_TEN = "sqlite3 cursor, ten events per commit"


def measure(scale: Scale) -> list[Row]:
    size = _SIZES[scale]
    with fresh_folder() as data:
        rates = run_isolated(
            "bench.workloads.appends:measure",
            data,
            concurrencies=size.concurrencies,
            events=size.events,
            repetitions=size.repetitions,
        )
    rows = [
        Row(
            label=_label(count),
            value=rates[str(count)],
            unit="events/s",
            yardstick=_GROUPS_OF_TEN,
            yardstick_value=rates["raw 10"],
            targets=_TARGETS.get(count, ()),
            detail=f"{rates[str(count)] / rates['raw 1']:.2f} × one event per commit",
        )
        for count in size.concurrencies
    ]
    rows.append(
        Row(
            label="raw cursor, one event per commit",
            value=rates["raw 1"],
            unit="events/s",
            yardstick=_GROUPS_OF_TEN,
            yardstick_value=rates["raw 10"],
        )
    )
    return rows


def _label(count: int) -> str:
    return f"append, {count} concurrent run{'s' if count > 1 else ''}"


FIGURE = Figure("appends", "Durable events per second", measure)
