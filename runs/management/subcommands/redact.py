"""`runs redact`: take a person's data or a leaked secret out of a log. The chain still verifies."""

import argparse

from accounts.management.actor import command_line_actor
from project.lib.command_line import count
from project.lib.terminal import Terminal
from runs.log.read import redacted_seqs
from runs.log.redact import redact_event
from runs.management.preflight import require_database


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_id", metavar="ID")
    parser.add_argument("seq", metavar="SEQ", type=count)
    parser.add_argument(
        "--reason", required=True, help="kept with the event and in the audit trail"
    )


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    require_database()
    was_redacted = options.seq in redacted_seqs(options.run_id)
    record = redact_event(
        run_id=options.run_id, seq=options.seq, actor=command_line_actor(), reason=options.reason
    )
    if was_redacted:
        terminal.line(
            f"event {record.seq} of {options.run_id} was redacted before by {record.actor}"
        )
    else:
        terminal.line(f"redacted event {record.seq} of {options.run_id}")
    return 0
