"""`manage.py doctor`: is this installation in order? Exit code 1 unless all of it is."""

import sys
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError, CommandParser

from project import data_folder
from project.lib.command_line import OneLineParser, run_to_exit_code
from project.lib.terminal import Cell, Terminal
from project.management.examination import Examination, Finding

_NAME_WIDTH = 22


class Command(BaseCommand):
    help = "Examine this installation: settings, models, tools, database, logs, audit trail."
    requires_system_checks = []  # they are among the questions

    def run_from_argv(self, argv: list[str]) -> NoReturn:
        parser = OneLineParser(
            prog="manage.py doctor", description=self.help, usage="%(prog)s [--all] [--data DIR]"
        )
        _add_all(parser)

        def command(terminal: Terminal) -> int:
            is_thorough = parser.parse_args(argv[2:]).all
            data_folder.require()
            return _report(terminal, is_thorough=is_thorough)

        sys.exit(run_to_exit_code("doctor", command))

    def add_arguments(self, parser: CommandParser) -> None:
        _add_all(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """For `call_command`; from a shell, `run_from_argv` keeps the exit code."""
        if _report(Terminal(sys.stdout, sys.stderr), is_thorough=options["all"]):
            raise CommandError("something is not in order")


def _add_all(parser: Any) -> None:
    parser.add_argument(
        "--all", action="store_true", help="every log and the whole audit trail, not a sample"
    )


def _report(terminal: Terminal, *, is_thorough: bool) -> int:
    is_healthy = True
    for finding in Examination(terminal, is_thorough).findings():
        is_healthy = is_healthy and finding.is_ok
        terminal.styled(_line(finding))
        terminal.flush()
    return 0 if is_healthy else 1


def _line(finding: Finding) -> tuple[Cell, Cell]:
    mark, style = ("✓", "green") if finding.is_ok else ("✗", "bold red")
    return (Cell(mark, style), Cell(f" {finding.name:<{_NAME_WIDTH}} {finding.note}"))
