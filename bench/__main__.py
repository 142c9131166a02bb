"""`python -m bench`: measure the chosen figures one after another, each beside its yardstick."""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from bench.core import documentation
from bench.core.figure import Figure, Row, Scale
from bench.core.isolated import MeasurementFailed
from bench.core.machine import this_machine
from bench.core.results import FOLDER, Results
from bench.core.surroundings import allow_many_files
from bench.core.terminal import Reporter
from bench.figures.catalogue import FIGURES


def main(argv: Sequence[str]) -> int:
    arguments = _parser().parse_args(argv)
    if arguments.list:
        print("\n".join(f"{figure.name:<12}{figure.title}" for figure in FIGURES))
        return 0
    if arguments.update_docs and arguments.scale is not Scale.FULL:
        _parser().error("--update-docs wants a full measurement")
    allow_many_files()
    reporter = Reporter()
    results = _measure(_chosen(arguments.figures), arguments.scale, reporter)
    reporter.note(f"saved as {results.save(arguments.save_to)}")
    if arguments.json:
        print(json.dumps(results.as_map(), indent=2))
    else:
        for figure, rows in results.rows.items():
            reporter.show(figure, rows)
    if arguments.update_docs:
        documentation.update(results)
        reporter.note(f"updated {documentation.PAGE}")
    return 1 if results.failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description="Measure Starport.")
    add = parser.add_argument
    add("figures", nargs="*", metavar="FIGURE", help="which ones (default: all); see --list")
    add("--list", action="store_true", help="name the figures")
    add(
        "--scale",
        type=Scale,
        choices=list(Scale),
        default=Scale.FULL,
        help="how much work (default: full)",
    )
    add(
        "--quick",
        action="store_const",
        dest="scale",
        const=Scale.QUICK,
        help="the same as --scale quick",
    )
    add("--json", action="store_true", help="print the results as JSON instead of tables")
    add("--save-to", type=Path, default=FOLDER, metavar="DIR", help="where the JSON file goes")
    add("--update-docs", action="store_true", help="write the results into docs/performance.md")
    return parser


def _chosen(names: Sequence[str]) -> list[Figure]:
    known = {figure.name: figure for figure in FIGURES}
    for name in names:
        if name not in known:
            _parser().error(f"there is no figure {name!r}; there are {', '.join(known)}")
    return [known[name] for name in names] or list(FIGURES)


def _measure(figures: Sequence[Figure], scale: Scale, reporter: Reporter) -> Results:
    """A figure that fails does not keep the others from being measured."""
    began, machine = datetime.now().astimezone(), this_machine()
    reporter.begin(machine)
    rows: dict[Figure, list[Row]] = {}
    failures: dict[Figure, str] = {}
    for figure in figures:
        reporter.measuring(figure)
        try:
            rows[figure] = figure.measure(scale)
        except (MeasurementFailed, OSError) as error:
            failures[figure] = str(error)
            reporter.failed(figure, str(error))
    return Results(began, scale, machine, rows, failures)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
