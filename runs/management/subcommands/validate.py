"""`runs validate`: does each log hang together? One line per run, exit code 1 unless all do."""

import argparse
from collections.abc import Iterable

from project.lib.terminal import Cell, Terminal
from runs.log.read import read_last
from runs.log.validate import Verdict, validate_run
from runs.management.lookup import find_run, runs_with_a_log, walk_ids
from runs.management.preflight import require_database


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_id", metavar="ID", nargs="?", help="default: every run with a log")


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    require_database()
    if options.run_id is not None:
        return _validate([find_run(options.run_id).id], 1, terminal)
    runs = runs_with_a_log()
    total = runs.count()
    if not total:
        terminal.line("(no runs)")
        return 0
    return _validate(walk_ids(runs), total, terminal)


def _validate(run_ids: Iterable[str], total: int, terminal: Terminal) -> int:
    bad = 0
    with terminal.progress("validating", total) as advance:
        for run_id in run_ids:
            outcome, style = _outcome_of(run_id)
            bad += outcome != "OK"
            terminal.styled((Cell(f"{run_id}\t"), Cell(outcome, style)))
            advance(1)
    if total > 1:
        terminal.note(f"{total} runs, {bad} not OK")
    return 1 if bad else 0


def _outcome_of(run_id: str) -> tuple[str, str]:
    try:
        verdict = validate_run(run_id)
    except Exception as error:
        # Whoever tampers need not respect types: a log that cannot even be read is a finding,
        # and must not keep the others from being checked.
        return f"ERROR: {type(error).__name__}: {error}".replace("\n", " "), "bold red"
    if verdict.is_valid:
        return "OK", "green"
    if verdict.status == "in_progress":
        return f"CORRUPT: {_not_terminal(run_id)}", "yellow"
    return f"CORRUPT: {verdict}", "bold red"


def _not_terminal(run_id: str) -> Verdict:
    """The contract counts a log without its terminal event as corrupt, however sound so far."""
    last = read_last(run_id)
    return Verdict("invalid", "not_terminal", last.seq if last else 0, "the run is in progress")
