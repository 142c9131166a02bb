"""`manage.py runs …`: finds the subcommand and turns what happens into an exit code."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn, Protocol

from django.core.management.base import BaseCommand, CommandError, CommandParser

from project import data_folder
from project.lib.command_line import (
    EXIT_USAGE,
    OneLineParser,
    run_to_exit_code,
    with_two_dashes,
)
from project.lib.terminal import Terminal
from runs.errors import RunsError

PROGRAM = "manage.py runs"

#: Name, also that of the module in `runs.management.subcommands`, and what it does.
SUBCOMMANDS = {
    "list": "the newest runs",
    "show": "the readable transcript of one run",
    "follow": "one run as it happens, until it ends",
    "validate": "check hash chain and Merkle root of one run or of all",
    "export": "the log of one run as NDJSON",
    "prune": "delete old runs, with their logs",
    "replay": "execute a recorded run again and compare",
    "fork": "start a run that goes on from a step of another one",
    "cancel": "end a run that has not ended",
    "rebuild": "recompute the columns of runs from their logs",
    "redact": "take the payload of one event out of a log, on record",
}


class Subcommand(Protocol):
    """What a module in `runs.management.subcommands` offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, options: argparse.Namespace, terminal: Terminal) -> int: ...


class Command(BaseCommand):
    help = "Look at runs and their logs, prove them, and clean up after them."

    def run_from_argv(self, argv: list[str]) -> NoReturn:
        sys.exit(run_to_exit_code("runs", lambda terminal: dispatch(argv[2:], terminal)))

    def add_arguments(self, parser: CommandParser) -> None:
        parser.usage, parser.epilog = _usage().split("\n\n", 1)
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        """For `call_command`; from a shell, `run_from_argv` keeps the exit code."""
        code = dispatch(options["arguments"], Terminal(sys.stdout, sys.stderr))
        if code:
            raise CommandError("", returncode=code)


def dispatch(arguments: Sequence[str], terminal: Terminal) -> int:
    """Run the subcommand that `arguments` begin with. Raises `CommandError` for any refusal."""
    if not arguments:
        terminal.complain(f"usage: {_usage()}")
        return EXIT_USAGE
    name, *rest = arguments
    if name in ("-h", "-help", "--help", "help"):
        terminal.line(f"usage: {_usage()}")
        return 0
    if name not in SUBCOMMANDS:
        terminal.complain(f"runs: unknown subcommand {name!r}; there are {', '.join(SUBCOMMANDS)}")
        return EXIT_USAGE
    # Imported when asked for: `list` need not wait for what `replay` brings in.
    subcommand: Subcommand = import_module(f"runs.management.subcommands.{name}")
    parser = OneLineParser(
        prog=f"{PROGRAM} {name}", description=SUBCOMMANDS[name], allow_abbrev=False
    )
    subcommand.add_arguments(parser)
    try:
        options = parser.parse_args([with_two_dashes(argument) for argument in rest])
        data_folder.require()
        return subcommand.run(options, terminal)
    except (RunsError, data_folder.DataFolderError) as error:
        raise CommandError(str(error)) from error


def _usage() -> str:
    width = max(map(len, SUBCOMMANDS))
    listing = "\n".join(f"  {name:<{width}}  {what}" for name, what in SUBCOMMANDS.items())
    return (
        f"{PROGRAM} SUBCOMMAND … [--data DIR]\n\nsubcommands:\n{listing}\n\n"
        f"`{PROGRAM} SUBCOMMAND -h` shows its arguments."
    )
