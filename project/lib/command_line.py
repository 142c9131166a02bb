"""From the arguments of a command to its exit code."""

import argparse
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from django.core.management.base import CommandError
from django.db import Error as DatabaseError

from project.lib.terminal import Terminal

EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130  # what a shell reports for SIGINT
EXIT_BROKEN_PIPE = 141  # and for SIGPIPE


class OneLineParser(argparse.ArgumentParser):
    """Complains in one line; `-h` has the rest."""

    def error(self, message: str) -> NoReturn:
        raise CommandError(message)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        # Only `-h` comes here. By the contract it is an error: the command did not do its work.
        sys.stdout.flush()
        sys.exit(EXIT_ERROR)


# The contract lets every option be written with a single dash.
_SINGLE_DASH = re.compile(r"-[a-z][a-z-]+(=.*)?", re.DOTALL)


def with_two_dashes(argument: str) -> str:
    """An option as argparse knows it; anything else as it is."""
    return f"-{argument}" if _SINGLE_DASH.fullmatch(argument) else argument


def count(text: str) -> int:
    """A whole number, 0 or more."""
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def positive(text: str) -> int:
    """A whole number, 1 or more."""
    number = count(text)
    if not number:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def run_to_exit_code(program: str, command: Callable[[Terminal], int]) -> int:
    """Run a command of this process. What the operator can mend is one line on stderr and 1."""
    for stream in (sys.stdout, sys.stderr):
        _replace_what_cannot_be_encoded(stream)
    terminal = Terminal(sys.stdout, sys.stderr)
    try:
        with _without_chatter():
            code = command(terminal)
        terminal.flush()
        return code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # `| head` has seen enough. Nothing may be flushed into that pipe when Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except (CommandError, DatabaseError, OSError) as error:
        terminal.complain(f"{program}: {_explain(error)}")
        return EXIT_ERROR


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Log records of level INFO are for servers: what a command did, it prints itself."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(before)


def _explain(error: Exception) -> str:
    text = str(error).strip().partition("\n")[0] or type(error).__name__
    if isinstance(error, DatabaseError):
        return f"the database cannot be used: {text}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return text


def _replace_what_cannot_be_encoded(stream: object) -> None:
    """A `✓` or an umlaut must not end a command under a locale that lacks it."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
