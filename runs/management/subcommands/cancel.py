"""`runs cancel`: end a run that has not ended, whichever process executes it."""

import argparse

from accounts.management.actor import command_line_actor
from project.lib.terminal import Terminal
from runs.management.preflight import require_database
from runs.services.lifecycle import cancel_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_id", metavar="ID")


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    require_database()
    cancelled = cancel_run(run_id=options.run_id, actor=command_line_actor())
    terminal.line(f"cancelled {cancelled.id}")
    return 0
