"""`runs list`: what waits, then what ran, newest first."""

import argparse
from collections.abc import Sequence

from project.lib.clock import readable_duration, to_rfc3339
from project.lib.command_line import positive
from project.lib.terminal import Cell, Column, Terminal
from runs.log.events import to_json
from runs.management.lookup import STATUS_WORDS, states_of, status_word
from runs.management.preflight import require_database
from runs.management.run_facts import STATUS_STYLES, run_facts
from runs.models import Run

_COLUMNS = (
    Column("run"),
    Column("status"),
    Column("started (UTC)"),
    Column("turns", is_number=True),
    Column("tools", is_number=True),
    Column("tokens", is_number=True),
    Column("cost $", is_number=True),
    Column("took", is_number=True),
    Column("goal", flexible=True),
)
#: What a program gets, in this order; names as in `--json`.
FIELDS = (
    *("run_id", "status", "started_at", "last_seq", "turn_count", "tool_call_count"),
    *("input_tokens", "output_tokens", "cost_usd", "duration_ms", "goal"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--status", help=f"one of: {', '.join(STATUS_WORDS)}")
    parser.add_argument(
        "--limit", type=positive, default=50, metavar="N", help="at most N (default: 50)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per line")


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    require_database()
    states = states_of(options.status) if options.status else ()
    runs = _newest(states, options.limit)
    if options.json:
        for item in runs:
            terminal.json(to_json(run_facts(item)))
    elif not runs:
        terminal.note("no runs with this status" if states else "no runs yet")
    elif terminal.is_rich:
        terminal.table(_COLUMNS, [_row(item) for item in runs])
    else:
        for item in runs:
            facts = run_facts(item) | {"cost_usd": f"{item.cost_usd:.8f}"}
            terminal.record("" if facts[name] is None else facts[name] for name in FIELDS)
    return 0


def _newest(states: Sequence[str], limit: int) -> list[Run]:
    """Queued runs have no start yet, so each part comes from the index that has its order."""
    runs = Run.objects.only(
        *("id", "status", "head_seq", "goal", "graph_id", "model", "provider_id", "model_id"),
        *("accepted_at", "started_ns", "last_event_ns", "turn_count", "tool_call_count"),
        *("input_tokens", "output_tokens", "cost_usd"),
    )
    waiting: list[Run] = []
    if not states or Run.Status.PENDING in states:
        waiting = list(runs.queued().order_by("-accepted_at", "-id")[:limit])
    begun = runs.filter(started_ns__isnull=False).order_by("-started_ns", "-id")
    # One ordered index scan per state: `status IN (…)` would sort every match.
    parts = [begun.filter(status=state) for state in states] or [begun]
    started = [run for part in parts for run in part[:limit]]
    started.sort(key=lambda run: (run.started_ns or 0, run.id), reverse=True)
    return (waiting + started)[:limit]


def _row(run: Run) -> list[Cell]:
    status = status_word(run)
    started = "" if run.started_ns is None else to_rfc3339(run.started_ns)
    return [
        Cell(run.id),
        Cell(status, STATUS_STYLES[status]),
        Cell(started[:16].replace("T", " ")),
        Cell(str(run.turn_count)),
        Cell(str(run.tool_call_count)),
        Cell(str(run.input_tokens + run.output_tokens)),
        Cell(f"{run.cost_usd:.4f}"),
        Cell(readable_duration(run.duration_ms)),
        Cell(run.goal),
    ]
