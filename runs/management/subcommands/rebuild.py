"""`runs rebuild`: recompute the columns of runs, which say what their logs say."""

import argparse
from collections.abc import Iterable

from django.db import transaction

from project.lib.db import write_transaction
from project.lib.terminal import Cell, Terminal
from runs.log.read import read_last, redacted_seqs, walk_events
from runs.log.rebuild import rebuild_run
from runs.log.validate import Verdict, validate_events
from runs.management.lookup import find_run, runs_with_a_log, walk_ids
from runs.management.preflight import require_database
from runs.models import Run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_id", metavar="ID", nargs="?", help="default: every run with a log")
    parser.add_argument("--dry-run", action="store_true", help="say what would change")


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    require_database()
    if options.run_id is not None:
        return _rebuild([find_run(options.run_id).id], 1, terminal, dry_run=options.dry_run)
    runs = runs_with_a_log()
    return _rebuild(walk_ids(runs), runs.count(), terminal, dry_run=options.dry_run)


def _rebuild(run_ids: Iterable[str], total: int, terminal: Terminal, *, dry_run: bool) -> int:
    changed = refused = 0
    with terminal.progress("rebuilding", total) as advance:
        for run_id in run_ids:
            problem = _damage(run_id)
            columns = [] if problem else _rebuild_one(run_id, dry_run=dry_run)
            if problem:
                refused += 1
                terminal.styled((Cell(f"{run_id}\t"), Cell(f"CORRUPT: {problem}", "bold red")))
            elif columns:
                changed += 1
                terminal.styled((Cell(f"{run_id}\t"), Cell(", ".join(columns), "yellow")))
            advance(1)
    verb = "would change" if dry_run else "changed"
    terminal.line(f"{verb} {changed} of {total} runs")
    if refused:
        terminal.complain(f"runs: {refused} runs have a damaged log and were left alone")
    return 1 if refused else 0


def _rebuild_one(run_id: str, *, dry_run: bool) -> list[str]:
    with write_transaction():
        columns = rebuild_run(run_id)
        transaction.set_rollback(dry_run)
    return columns


def _damage(run_id: str) -> Verdict | None:
    """Why this row must stay: agreeing with a damaged log would hide the damage.

    A log that closes with its Merkle root vouches for itself. One without an end does not: if the
    row knows of more events, they have been cut off, and the row is the only witness.
    """
    verdict = validate_events(run_id, walk_events(run_id), redacted=redacted_seqs(run_id))
    if verdict.status == "invalid":
        return verdict
    if verdict.status == "in_progress":
        # The row first: a run that goes on may have more events since, never fewer.
        head = Run.objects.values_list("head_seq", flat=True).get(pk=run_id)
        last = read_last(run_id)
        seen = last.seq if last else 0
        if head > seen:
            return Verdict("invalid", "truncated", seen, f"the head is seq {head}")
    return None
