"""`runs replay`: execute a recorded run again, on its recorded answers, and compare."""

import argparse
import asyncio
from typing import Any

from project.lib.terminal import Cell, Terminal
from runs.engine.replay import load_recording, replay_run
from runs.engine.replay_journal import Divergence, ReplayRefused, ReplayReport
from runs.errors import GraphNotFound
from runs.log.events import StoredEvent, to_json
from runs.management.preflight import require_database
from runs.models import Run
from runs.tools.mcp.servers import get_servers

#: Characters of a value that the one-line form shows.
_SHORT = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_id", metavar="ID")
    parser.add_argument("--force", action="store_true", help="although another model is configured")
    parser.add_argument(
        "--soft", action="store_true", help="list differences that count for nothing, too"
    )


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    require_database()
    recording, events = load_recording(options.run_id)
    try:
        report = asyncio.run(_replay(recording, events, force=options.force))
    except (ReplayRefused, GraphNotFound) as refusal:
        terminal.line(f"REFUSED: {refusal}", "yellow")
        return 1
    _write(report, terminal)
    if options.soft:
        _write_soft(report, terminal)
    return 0 if report.is_clean else 1


async def _replay(run: Run, events: list[StoredEvent], *, force: bool) -> ReplayReport:
    # The recorded agent may have had tools of MCP servers; without them it would be another one.
    servers = get_servers()
    await servers.start()
    try:
        return await replay_run(run, events, force=force)
    finally:
        await servers.stop()


def _write(report: ReplayReport, terminal: Terminal) -> None:
    divergence = report.divergence
    if divergence is None:
        terminal.line("OK: replay matches recorded log", "green")
        terminal.note(f"{report.compared} events compared")
        return
    terminal.line(f"DIVERGED: {_describe(divergence)}", "bold red")
    for name in _differing(divergence):
        for side, payload in (("recorded", divergence.recorded), ("produced", divergence.produced)):
            value = _short(payload[name]) if name in payload else "(absent)"
            terminal.styled((Cell(f"  {side} {name} = ", "dim"), Cell(value)))


def _describe(divergence: Divergence) -> str:
    """Seq, class, kinds and both payloads on one line."""
    return (
        f"seq {divergence.seq}, {divergence.reason_class}: {divergence.reason};"
        f" recorded {_side(divergence.expected_kind, divergence.recorded)},"
        f" produced {_side(divergence.kind, divergence.produced)}"
    )


def _side(kind: str, payload: dict[str, Any]) -> str:
    return f"{kind} {_short(payload)}" if kind else "nothing"


def _differing(divergence: Divergence) -> list[str]:
    """The fields that made the difference, when both sides are of one kind."""
    if divergence.reason_class != "payload":
        return []
    recorded, produced = divergence.recorded, divergence.produced
    names = recorded.keys() | produced.keys()
    return sorted(name for name in names if recorded.get(name) != produced.get(name))


def _write_soft(report: ReplayReport, terminal: Terminal) -> None:
    for difference in report.soft:
        terminal.line(
            f"soft: seq {difference.seq} {difference.field}: recorded"
            f" {_short(difference.recorded)}, produced {_short(difference.produced)}",
            "dim",
        )


def _short(value: Any) -> str:
    text = to_json(value).decode()
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"
