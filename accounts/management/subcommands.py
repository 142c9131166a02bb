"""Commands of `manage.py` that have subcommands, such as `manage.py runs list`."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, ClassVar, NoReturn, Protocol

from django.core.management.base import BaseCommand, CommandError, CommandParser

from project import data_folder
from project.lib.command_line import (
    EXIT_USAGE,
    OneLineParser,
    run_to_exit_code,
    with_two_dashes,
)
from project.lib.terminal import Terminal


class Subcommand(Protocol):
    """What the module of a subcommand offers. `run` returns the exit code."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, options: argparse.Namespace, terminal: Terminal) -> int: ...


class CommandWithSubcommands(BaseCommand):
    """Finds the subcommand and turns what happens into an exit code."""

    name: ClassVar[str]
    package: ClassVar[str]  # where the modules are
    #: Name, also that of the module in `package`, and what it does.
    subcommands: ClassVar[Mapping[str, str]]
    #: Errors whose message is for the person at the terminal.
    refusals: ClassVar[tuple[type[Exception], ...]]

    def prepare(self) -> None:
        """What all need, once their arguments are understood."""
        data_folder.require()

    def run_from_argv(self, argv: list[str]) -> NoReturn:
        sys.exit(run_to_exit_code(self.name, lambda terminal: self.dispatch(argv[2:], terminal)))

    def add_arguments(self, parser: CommandParser) -> None:
        parser.usage, parser.epilog = self._usage().split("\n\n", 1)
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        """For `call_command`; from a shell, `run_from_argv` keeps the exit code."""
        code = self.dispatch(options["arguments"], Terminal(sys.stdout, sys.stderr))
        if code:
            raise CommandError("", returncode=code)

    def dispatch(self, arguments: Sequence[str], terminal: Terminal) -> int:
        """Run the subcommand that `arguments` begin with. Raises `CommandError` for a refusal."""
        if not arguments:
            terminal.complain(f"usage: {self._usage()}")
            return EXIT_USAGE
        name, *rest = arguments
        if name in ("-h", "-help", "--help", "help"):
            terminal.line(f"usage: {self._usage()}")
            return 0
        if name not in self.subcommands:
            known = ", ".join(self.subcommands)
            terminal.complain(f"{self.name}: unknown subcommand {name!r}; there are {known}")
            return EXIT_USAGE
        # Imported when asked for: `runs list` need not wait for what `runs replay` brings in.
        subcommand: Subcommand = import_module(f"{self.package}.{self.module_of(name)}")
        refusals: tuple[type[Exception], ...] = (*self.refusals, data_folder.DataFolderError)
        try:
            options = self._parse(name, subcommand, rest)
            self.prepare()
            return subcommand.run(options, terminal)
        except refusals as error:
            raise CommandError(str(error)) from error

    def module_of(self, name: str) -> str:
        return name

    def _parse(
        self, name: str, subcommand: Subcommand, arguments: Sequence[str]
    ) -> argparse.Namespace:
        parser = OneLineParser(
            prog=f"manage.py {self.name} {name}",
            description=self.subcommands[name],
            allow_abbrev=False,
        )
        subcommand.add_arguments(parser)
        return parser.parse_args([with_two_dashes(argument) for argument in arguments])

    def _usage(self) -> str:
        program = f"manage.py {self.name}"
        width = max(map(len, self.subcommands))
        listing = "\n".join(f"  {name:<{width}}  {what}" for name, what in self.subcommands.items())
        return (
            f"{program} SUBCOMMAND … [--data DIR]\n\nsubcommands:\n{listing}\n\n"
            f"`{program} SUBCOMMAND -h` shows its arguments."
        )
