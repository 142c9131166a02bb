"""`runs prune`: delete whole old runs, oldest first, or blobs that belong to no run.

Says what it would do until `--confirm`.
"""

import argparse
from datetime import UTC, datetime, timedelta

from accounts import audit
from accounts.audit import RUNTIME
from accounts.management.actor import command_line_actor
from project.lib.command_line import count
from project.lib.terminal import Terminal
from runs import artifacts
from runs.errors import InvalidInput
from runs.log.prune import BATCH, PruneReport, plan_prune, prune, prune_candidates
from runs.management.lookup import STATUS_WORDS, states_of
from runs.management.options import duration, is_storable, moment
from runs.management.preflight import require_database
from runs.models import Run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    cutoff = parser.add_mutually_exclusive_group(required=True)
    cutoff.add_argument(
        "--older-than", type=duration, metavar="720h", help="hours, minutes, seconds"
    )
    cutoff.add_argument(
        "--before", type=moment, metavar="TIME", help="RFC 3339, such as 2026-01-31T00:00:00Z"
    )
    cutoff.add_argument(
        "--orphans", action="store_true", help="blobs older than a day that belong to no run"
    )
    parser.add_argument(
        "--status",
        action="append",
        metavar="WORD",
        help=f"only these (repeatable; default: ended ones): {', '.join(STATUS_WORDS)}",
    )
    parser.add_argument("--limit", type=count, default=0, metavar="N", help="at most N runs")
    parser.add_argument(
        "--include-in-progress", action="store_true", help="unfinished runs as well"
    )
    parser.add_argument("--confirm", action="store_true", help="delete; without it nothing is")


#: The row of a younger blob may be on its way.
ORPHANED_FOR = timedelta(days=1)


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    require_database()
    return _orphans(options, terminal) if options.orphans else _runs(options, terminal)


def _orphans(options: argparse.Namespace, terminal: Terminal) -> int:
    if options.status or options.limit or options.include_in_progress:
        raise InvalidInput("--orphans is about no run: only --confirm goes with it")
    found = 0
    for name in artifacts.find_orphans(datetime.now(UTC) - ORPHANED_FOR):
        found += 1
        if options.confirm:
            artifacts.delete_orphan(name)
    terminal.line(f"{'deleted' if options.confirm else 'would delete'} {found} blobs of no run")
    if found and not options.confirm:
        terminal.note("nothing was deleted; --confirm does it")
    return 0


def _runs(options: argparse.Namespace, terminal: Terminal) -> int:
    before = _cutoff(options)
    statuses = _statuses(options)
    plan = plan_prune(
        prune_candidates(
            before=before,
            statuses=statuses,
            include_in_progress=options.include_in_progress,
            limit=options.limit,
        )
    )
    if options.confirm:
        _delete(plan, before, terminal)
    verb = "deleted" if options.confirm else "would delete"
    time = before.astimezone(UTC).isoformat().replace("+00:00", "Z")
    terminal.line(f"{verb} {len(plan.run_ids)} runs ({plan.event_count} events) before {time}")
    for run_id in plan.run_ids:
        terminal.line(run_id)
    if plan.run_ids and not options.confirm:
        terminal.note("nothing was deleted; --confirm does it")
    return 0


def _cutoff(options: argparse.Namespace) -> datetime:
    try:
        before: datetime = options.before or datetime.now(UTC) - options.older_than
        if is_storable(before):
            return before
    except OverflowError:
        pass
    raise InvalidInput("the cutoff is outside the range of the log's clock")


def _statuses(options: argparse.Namespace) -> tuple[str, ...]:
    states = tuple(state for word in options.status or () for state in states_of(word))
    if not options.include_in_progress and (unfinished := set(states) - set(Run.TERMINAL)):
        raise InvalidInput(
            f"--status names unfinished runs ({', '.join(sorted(unfinished))});"
            " that needs --include-in-progress as well"
        )
    return states


def _delete(plan: PruneReport, before: datetime, terminal: Terminal) -> None:
    with terminal.progress("deleting", len(plan.run_ids)) as advance:
        for start in range(0, len(plan.run_ids), BATCH):
            batch = plan.run_ids[start : start + BATCH]
            # First the record: whatever happens in between, no run vanishes without one.
            audit.record(
                "runs_pruned",
                actor=command_line_actor(),
                pack_id=RUNTIME,
                durable=True,
                before=before.isoformat(),
                run_ids=list(batch),
            )
            for deleted in prune(batch):
                advance(deleted)
