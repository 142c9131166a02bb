"""How long a search through a large memory takes."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.core.figure import Figure, Row, Scale, at_most
from bench.core.isolated import run_isolated
from bench.core.surroundings import fresh_folder, scratch_database


@dataclass(frozen=True, slots=True)
class _Size:
    chunks: int
    queries: int


_SIZES = {
    Scale.FULL: _Size(100_000, 300),
    Scale.QUICK: _Size(20_000, 150),
    Scale.TINY: _Size(40, 6),
}
_WANTED = at_most(20.0)
#: Where a PostgreSQL is that may be measured as well; databases are made in it and dropped.
_POSTGRES = "TEST_DATABASE_URL"


def measure(scale: Scale) -> list[Row]:
    size = _SIZES[scale]
    rows: list[Row] = []
    with fresh_folder() as data:
        rows += _rows("SQLite", size, data, {})
    if address := os.environ.get(_POSTGRES):
        with fresh_folder() as data, scratch_database(address) as url:
            rows += _rows("PostgreSQL", size, data, {"DATABASE_URL": url})
    return rows


def _rows(engine: str, size: _Size, data: Path, variables: Mapping[str, str]) -> Iterator[Row]:
    found = run_isolated(
        "bench.workloads.search:measure",
        data,
        variables,
        chunks=size.chunks,
        queries=size.queries,
    )
    for name, label in (("words", "by words"), ("meaning", "by words and meaning")):
        yield Row(
            label=f"search {label}, {engine}, {size.chunks:,} chunks, p50",
            value=found[f"{name} p50"],
            unit="ms",
            yardstick="the database's own search by words, the same statements",
            yardstick_value=found["raw p50"],
            targets=(_WANTED,) if name == "words" else (),
            detail=f"p99 {found[f'{name} p99']:.1f} ms (raw {found['raw p99']:.1f} ms)",
        )


FIGURE = Figure("search", "Searching a large memory", measure)
