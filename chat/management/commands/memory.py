"""`manage.py memory …`: finds the subcommand and turns what happens into an exit code."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NoReturn, Protocol

from django.core.management.base import BaseCommand, CommandError, CommandParser

from chat.errors import ChatError
from chat.management.memory import exporting, importing, reindexing, searching
from project import data_folder
from project.lib.command_line import (
    EXIT_USAGE,
    OneLineParser,
    run_to_exit_code,
    with_two_dashes,
)
from project.lib.terminal import Terminal
from runs.management.preflight import require_database

PROGRAM = "manage.py memory"


class Subcommand(Protocol):
    """What a module in `chat.management.memory` offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, options: argparse.Namespace, terminal: Terminal) -> int: ...


#: Each with what it does.
SUBCOMMANDS: dict[str, tuple[Subcommand, str]] = {
    "search": (searching, "what a user would find"),
    "reindex": (reindexing, "cut and index all documents anew"),
    "import": (importing, "make documents of the Markdown files of a folder"),
    "export": (exporting, "write the documents into a folder"),
}


class Command(BaseCommand):
    help = "Search the assistant's memory, index it anew, take it out and put it in."

    def run_from_argv(self, argv: list[str]) -> NoReturn:
        sys.exit(run_to_exit_code("memory", lambda terminal: dispatch(argv[2:], terminal)))

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
        known = ", ".join(SUBCOMMANDS)
        terminal.complain(f"memory: unknown subcommand {name!r}; there are {known}")
        return EXIT_USAGE
    subcommand, description = SUBCOMMANDS[name]
    parser = OneLineParser(prog=f"{PROGRAM} {name}", description=description, allow_abbrev=False)
    subcommand.add_arguments(parser)
    try:
        options = parser.parse_args([with_two_dashes(argument) for argument in rest])
        data_folder.require()
        require_database()
        return subcommand.run(options, terminal)
    except (ChatError, data_folder.DataFolderError) as error:
        raise CommandError(str(error)) from error


def _usage() -> str:
    width = max(map(len, SUBCOMMANDS))
    listing = "\n".join(f"  {name:<{width}}  {what}" for name, (_, what) in SUBCOMMANDS.items())
    return (
        f"{PROGRAM} SUBCOMMAND … [--data DIR]\n\nsubcommands:\n{listing}\n\n"
        f"`{PROGRAM} SUBCOMMAND -h` shows its arguments."
    )
