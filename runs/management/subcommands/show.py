"""`runs show`: one run from goal to verdict."""

import argparse
from typing import Any

from project.lib.clock import readable_duration, to_rfc3339
from project.lib.terminal import Cell, Terminal
from runs.api.words import IN_PROGRESS
from runs.log.events import to_json
from runs.log.read import walk_events
from runs.log.validate import Verdict, validate_run
from runs.management.lookup import find_run, status_word
from runs.management.preflight import require_database
from runs.management.run_facts import STATUS_STYLES, model_name, run_facts
from runs.management.transcript import Transcript
from runs.models import Redaction, Run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_id", metavar="ID")
    parser.add_argument("--json", action="store_true", help="one JSON object, events included")


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    require_database()
    chosen = find_run(options.run_id)
    verdict = validate_run(chosen.id) if chosen.head_seq else Verdict("unchecked")
    if options.json:
        terminal.json(to_json(_facts(chosen, verdict)))
        return 0
    _write_heading(chosen, terminal)
    transcript = Transcript(terminal, redactions=_redactions(chosen.id))
    for event in walk_events(chosen.id):
        transcript.write(event)
    _write_ending(chosen, verdict, terminal)
    return 0


def _facts(run: Run, verdict: Verdict) -> dict[str, Any]:
    validation: dict[str, Any] = {"status": verdict.status}
    if verdict.status == "invalid":
        validation |= {"reason": verdict.reason, "seq": verdict.seq, "detail": verdict.detail}
    return run_facts(run) | {
        "final_text": run.final_text,
        "error": run.error,
        "error_type": run.error_type,
        "cancel_reason": run.cancel_reason,
        "merkle_root": _hex(run.merkle_root),
        "validation": validation,
        "events": [event.as_map() for event in walk_events(run.id)],
    }


def _write_heading(run: Run, terminal: Terminal) -> None:
    status = status_word(run)
    detail = f" ({run.status})" if status == IN_PROGRESS else ""
    facts = {
        "run": run.id,
        "status": f"{status}{detail}",
        "graph": run.graph_id,
        "model": model_name(run) or "(the default)",
        "started": to_rfc3339(run.started_ns) if run.started_ns is not None else "(waits)",
        "parent": run.parent_id or "",
    }
    for name, value in facts.items():
        if value:
            style = STATUS_STYLES[status] if name == "status" else ""
            terminal.styled((Cell(f"{name:<9}", "dim"), Cell(value, style)))
    if run.head_seq == 0:
        terminal.styled((Cell(f"{'goal':<9}", "dim"), Cell(run.goal)))
    terminal.line()


def _write_ending(run: Run, verdict: Verdict, terminal: Terminal) -> None:
    if run.head_seq == 0:
        terminal.line("no events yet: the run waits for a worker", "dim")
        return
    terminal.line()
    terminal.styled(
        (
            Cell("totals   ", "dim"),
            Cell(
                f"{run.head_seq} events, {run.turn_count} turns, {run.tool_call_count} tool calls,"
                f" {run.input_tokens} tokens in, {run.output_tokens} out, ${run.cost_usd:.6f},"
                f" {readable_duration(run.duration_ms)}"
            ),
        )
    )
    terminal.styled((Cell("chain    ", "dim"), _chain(run, verdict)))


def _chain(run: Run, verdict: Verdict) -> Cell:
    if verdict.status == "in_progress":
        return Cell("in progress, sound so far", "cyan")
    if verdict.is_valid:
        return Cell(f"✓ valid, root {_hex(run.merkle_root)}", "green")
    return Cell(f"✗ {verdict}", "bold red")


def _hex(value: Any) -> str | None:
    """Postgres hands out memory views."""
    return None if value is None else bytes(value).hex()


def _redactions(run_id: str) -> dict[int, str]:
    rows = Redaction.objects.filter(run_id=run_id).values_list("seq", "actor", "reason")
    return {seq: f"{actor}: {reason}" for seq, actor, reason in rows}
