"""Lines with a mark before them, for a person on a terminal; without it for a program."""

from collections.abc import Mapping

from project.lib.terminal import Cell, Terminal, one_line

_DONE = Cell("✓", "green")
_INFO = Cell("●", "cyan")
_DETAIL = Cell("│", "dim")


def done(terminal: Terminal, text: str) -> None:
    _write(terminal, _DONE, text)


def info(terminal: Terminal, text: str) -> None:
    _write(terminal, _INFO, text)


def details(terminal: Terminal, facts: Mapping[str, str]) -> None:
    for name, value in facts.items():
        _write(terminal, _DETAIL, f"{name}: {value}")


def complain(terminal: Terminal, text: str, *, is_detail: bool = False) -> None:
    terminal.complain(one_line(text), _DETAIL if is_detail else Cell("✗", "red"))


def _write(terminal: Terminal, mark: Cell, text: str) -> None:
    before = (Cell("  "), mark, Cell(" ")) if terminal.is_rich else ()
    terminal.styled((*before, Cell(one_line(text))))
