"""A program that has the terminal until it ends, as a shell would run it."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

from project.lib.command_line import EXIT_ERROR

_ENDING = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP)
#: Python ignores these, and what it starts would too.
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)

Handler = Callable[[int, FrameType | None], None]


def run_in_foreground(command: Sequence[str]) -> int:
    """Its exit code; 1 when a signal ended it. Raises `OSError` if it cannot be started.

    Signals that would end this process go to the program, whose end is then ours: what was made
    for it can be cleared away. Call it from the main thread.
    """
    program: int | None = None
    early: list[int] = []  # signals that came before there was a program

    def pass_on(number: int, frame: FrameType | None) -> None:
        if program is None:
            early.append(number)
        else:
            _send(program, number)

    with _signals_to(pass_on):
        program = os.posix_spawnp(
            command[0], list(command), os.environ, setsigdef=_IGNORED_BY_PYTHON
        )
        for number in early:
            _send(program, number)
        return _wait(program)


@contextmanager
def _signals_to(handler: Handler) -> Iterator[None]:
    """Those that are ignored stay so: `nohup` means the program as well."""
    before = {number: signal.getsignal(number) for number in _ENDING}
    heeded = [number for number, was in before.items() if was is not signal.SIG_IGN]
    for number in heeded:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in heeded:
            signal.signal(number, before[number])


def _send(program: int, number: int) -> None:
    with suppress(ProcessLookupError):  # it has ended just now
        os.kill(program, number)


def _wait(program: int) -> int:
    while True:
        _, status = os.waitpid(program, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            return os.WEXITSTATUS(status) if os.WIFEXITED(status) else EXIT_ERROR
        # It was suspended (`~^Z` in ssh): so are we, and the shell has its terminal back.
        os.kill(os.getpid(), signal.SIGSTOP)
        _send(program, signal.SIGCONT)
