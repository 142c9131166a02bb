"""How long it takes to prove a long log."""

from dataclasses import dataclass

from bench.core.figure import Figure, Row, Scale, ratio_at_most
from bench.core.isolated import run_isolated
from bench.core.surroundings import fresh_folder


@dataclass(frozen=True, slots=True)
class _Size:
    events: int  # four to a turn and two more, so that the last turn is complete
    repetitions: int


_SIZES = {
    Scale.FULL: _Size(10_002, 7),
    Scale.QUICK: _Size(10_002, 3),
    Scale.TINY: _Size(42, 1),
}


def measure(scale: Scale) -> list[Row]:
    size = _SIZES[scale]
    with fresh_folder() as data:
        times = run_isolated(
            "bench.workloads.validation:measure",
            data,
            events=size.events,
            repetitions=size.repetitions,
        )
    return [
        Row(
            label=f"validate {size.events:,} events",
            value=times["starport"],
            unit="ms",
            yardstick="plain Python: read, decode, link, hash",
            yardstick_value=times["plain"],
            targets=(ratio_at_most(1.5),),
            detail=f"{size.events / times['starport'] * 1e3:,.0f} events/s",
        )
    ]


FIGURE = Figure("validation", "Checking a long log", measure)
