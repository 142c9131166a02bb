"""Writing results into docs/performance.md, between markers; everything else there stays."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.core import wording
from bench.core.figure import Row
from bench.core.machine import ROOT
from bench.core.results import Results

PAGE = ROOT / "docs" / "performance.md"

#: Columns of the history table, and the row of a full run that each is taken from.
HEADLINES: dict[str, str] = {
    "events/s, 32 runs": "append, 32 concurrent runs",
    "runs/s, engine": "engine, 32 at a time, acceptance too",
    "runs/s, POST": "POST to a server, 32 at a time",
    "first event, ms": "submit to first event, p50",
    "POST/s": "POST /api/v1/runs, 16 connections, 100,000 runs",
    "GET one/s": "GET one run, 16 connections, 100,000 runs",
    "GET page/s": "GET page of 50 runs, 16 connections, 100,000 runs",
    "fan-out p99, ms": "200 subscribers, p99 from record to receipt",
    "validate, ms": "validate 10,002 events",
    "fan-out to sockets p99, ms": "200 WebSockets, p99 from record to receipt",
    "graph steps/s, 32 runs": "graph steps, 32 runs at a time",
}


class PageChanged(Exception):
    """The page lacks a marker. The message names it."""


def update(results: Results, page: Path = PAGE) -> None:
    """Replace the tables of the figures that were measured, and add a line to the history."""
    text = page.read_text()
    for figure, rows in results.rows.items():
        text = _replaced(text, figure.name, _figure_table(results, rows))
    measured = [row for rows in results.rows.values() for row in rows]
    text = _replaced(text, "targets", _targets_table(_block(text, "targets"), measured))
    text = _replaced(text, "history", _history(_block(text, "history"), results, measured))
    page.write_text(text)


def _block(text: str, name: str) -> str:
    found = re.search(_pattern(name), text, re.DOTALL)
    if found is None:
        raise PageChanged(f"there are no markers <!-- bench:{name} --> … <!-- /bench:{name} -->")
    return found[2]


def _replaced(text: str, name: str, content: str) -> str:
    _block(text, name)
    return re.sub(
        _pattern(name),
        lambda found: f"{found[1]}\n{content.strip()}\n{found[3]}",
        text,
        flags=re.DOTALL,
    )


def _pattern(name: str) -> str:
    return rf"(<!-- bench:{name} -->)(.*?)(<!-- /bench:{name} -->)"


def _figure_table(results: Results, rows: Sequence[Row]) -> str:
    lines = _table_head("", "measured", "yardstick", "ratio", "target", "beside it")
    lines += [
        _line(
            row.label,
            wording.measured(row),
            wording.number(row.yardstick_value),
            wording.ratio(row),
            _target_and_verdict(row),
            row.detail,
        )
        for row in rows
    ]
    yardsticks = "; ".join(dict.fromkeys(row.yardstick for row in rows))
    lines += ["", f"Yardstick: {yardsticks}. {_origin(results)}"]
    return "\n".join(lines)


def _origin(results: Results) -> str:
    machine = results.machine
    busy = " (busy: absolute numbers are low)" if machine.is_busy else ""
    return f"Measured {results.began:%Y-%m-%d} at {machine.revision}: {machine}{busy}."


def _targets_table(old: str, measured: Sequence[Row]) -> str:
    """Rows with a target; those of figures that were not measured now keep what they said."""
    lines = {_first_cell(line): line for line in _body(old)}
    for row in measured:
        if row.targets:
            lines[row.label] = _line(
                row.label,
                wording.target(row),
                wording.measured(row),
                wording.ratio(row),
                wording.verdict(row),
            )
    head = _table_head("figure", "target", "measured", "ratio to its yardstick", "")
    return "\n".join([*head, *lines.values()])


def _history(old: str, results: Results, measured: Sequence[Row]) -> str:
    by_label = {row.label: row for row in measured}
    cells = [_headline(by_label.get(label)) for label in HEADLINES.values()]
    machine = f"{results.machine.cores} cores, load {results.machine.load:.1f}"
    newest = _line(f"{results.began:%Y-%m-%d %H:%M}", results.machine.revision, machine, *cells)
    head = _table_head("date", "revision", "machine", *HEADLINES)
    return "\n".join([*head, newest, *_body(old)])


def _headline(row: Row | None) -> str:
    return "" if row is None else f"{wording.number(row.value)} ({wording.ratio(row)})"


def _target_and_verdict(row: Row) -> str:
    return f"{wording.target(row)}: {wording.verdict(row)}" if row.targets else ""


def _table_head(*headings: str) -> list[str]:
    return [_line(*headings), _line(*("---" for _ in headings))]


def _line(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _body(table: str) -> Iterable[str]:
    """The lines of a table below its head."""
    return [line for line in table.strip().splitlines() if line.startswith("|")][2:]


def _first_cell(line: str) -> str:
    return line.split("|")[1].strip()
