"""Results find their place in the page, and nothing else there moves."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.core import documentation
from bench.core.figure import Figure, Row, Scale, at_least, ratio_at_most
from bench.core.machine import Machine
from bench.core.results import Results

PAGE = """# Performance

Words before.

<!-- bench:targets -->
| figure | target | measured | ratio to its yardstick | |
| --- | --- | --- | --- | --- |
| something else | ≥ 5 runs/s | 6 runs/s | 2 × | met |
<!-- /bench:targets -->

<!-- bench:speed -->
old
<!-- /bench:speed -->

<!-- bench:history -->
| date | revision | machine |
| --- | --- | --- |
| 2024-01-01 00:00 | abc | 2 cores |
<!-- /bench:history -->

Words after.
"""
MACHINE = Machine(2, "x86_64 Linux", "3.11", "3.40", "abc1234", 0.1, 60.0)
FAST = Row("fast path", 1_234.5, "events/s", "raw", 2_000, (at_least(1_000),), "p99 3 ms")
SLOW = Row("slow path", 33.0, "ms", "plain", 11.0, (ratio_at_most(2.0),))


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "performance.md"
    path.write_text(PAGE)
    return path


def results(*rows: Row) -> Results:
    figure = Figure("speed", "Speed", lambda scale: list(rows))
    began = datetime(2025, 6, 1, 12, 30, tzinfo=UTC)
    return Results(began, Scale.FULL, MACHINE, {figure: rows}, {})


def test_a_figures_table_replaces_the_old_one(page: Path):
    documentation.update(results(FAST), page)

    text = page.read_text()
    assert "old" not in text
    assert (
        "| fast path | 1,234 events/s | 2,000 | 0.62 × | ≥ 1,000 events/s: met | p99 3 ms |" in text
    )
    assert "Measured 2025-06-01 at abc1234: 2 cores" in text
    assert text.startswith("# Performance\n\nWords before.\n")
    assert text.endswith("\nWords after.\n")


def test_a_target_that_was_not_measured_now_keeps_its_line(page: Path):
    documentation.update(results(FAST, SLOW), page)

    text = page.read_text()
    assert "| something else | ≥ 5 runs/s | 6 runs/s | 2 × | met |" in text
    assert "| slow path | ≤ 2 × | 33 ms | 3 × | missed |" in text


def test_measuring_again_replaces_the_line_of_a_target(page: Path):
    documentation.update(results(SLOW), page)
    documentation.update(results(replace(SLOW, value=11.0)), page)

    targets = page.read_text().partition("<!-- /bench:targets -->")[0]
    assert targets.count("slow path") == 1
    assert "| slow path | ≤ 2 × | 11 ms | 1 × | met |" in targets


def test_the_history_grows_by_a_line_at_its_top(page: Path):
    documentation.update(results(FAST), page)

    history = page.read_text().partition("<!-- bench:history -->")[2].strip().splitlines()
    assert history[2].startswith("| 2025-06-01 12:30 | abc1234 | 2 cores, load 0.1 |")
    assert history[3].startswith("| 2024-01-01 00:00 | abc |")


def test_a_page_without_the_markers_is_refused(page: Path):
    page.write_text("# Performance\n")

    with pytest.raises(documentation.PageChanged, match="bench:speed"):
        documentation.update(results(FAST), page)


def test_the_real_page_has_a_place_for_every_figure(tmp_path: Path):
    from bench.figures.catalogue import FIGURES

    copy = tmp_path / "performance.md"
    copy.write_text(documentation.PAGE.read_text())
    began = datetime(2025, 6, 1, 12, 30, tzinfo=UTC)

    documentation.update(
        Results(began, Scale.FULL, MACHINE, {figure: [FAST] for figure in FIGURES}, {}), copy
    )

    assert copy.read_text().count("| fast path | 1,234 events/s |") == len(FIGURES)
