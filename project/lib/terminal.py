"""What commands print: laid out for a person on a terminal, plain text for a pipe.

On a terminal there are colours (none with `NO_COLOR`), tables and progress bars. A pipe gets
tab-separated fields without a heading, and nothing is cut.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console, JustifyMethod
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

#: Work of fewer steps is over before a bar could be read.
_WORTH_A_BAR = 20

_GAP = 2  # blanks between the columns of a table
_NARROWEST = 12  # what a flexible column keeps however narrow the terminal is

# What a model or a web page wrote must not steer the terminal it is shown on: control characters
# and those that reverse the reading direction are spelled out.
_STEERING = {
    code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"
} | {code: f"\\u{code:04x}" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}
_STEERING_IN_JSON = {code: f"\\u{code:04x}" for code in _STEERING}
_SPACES = re.compile(r"\s+")

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; a `flexible` one is cut to what the terminal has left."""

    heading: str
    is_number: bool = False
    flexible: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """A value with the style it has on a terminal."""

    text: str
    style: str = ""


class Terminal:
    """Where one command writes to."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self._out = out
        self._err = err
        self.is_rich = _is_terminal(out)
        self._console = Console(file=out, highlight=False, markup=False, emoji=False)

    def line(self, text: str = "", style: str = "") -> None:
        self.styled((Cell(text, style),))

    def styled(self, pieces: Sequence[Cell]) -> None:
        """One line of several pieces."""
        if not self.is_rich:
            self._out.write("".join(clean(piece.text) for piece in pieces) + "\n")
            return
        line = Text.assemble(*((clean(piece.text), piece.style) for piece in pieces))
        self._console.print(line, soft_wrap=True)

    def text(self, piece: str) -> None:
        """Text as it arrives, without a line end."""
        self._out.write(clean(piece))
        self._out.flush()

    def json(self, document: bytes) -> None:
        """One JSON document on a line of its own."""
        line = document.decode()
        if self.is_rich:
            # JSON escapes not all that steers. What is left stands within strings.
            line = line.translate(_STEERING_IN_JSON)
        self._out.write(line + "\n")

    def record(self, values: Iterable[object]) -> None:
        """One line of tab-separated fields, for a program."""
        self._out.write("\t".join(one_line(str(value)) for value in values) + "\n")

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
        """For a person; a program gets `record`s, which need not have the same fields."""
        table, width = _table(columns, rows, self._console.width)
        Console(file=self._out, width=width).print(table)

    def note(self, text: str) -> None:
        """Something for a person only, beside the output."""
        if _is_terminal(self._err):
            self._to_a_person(Text(clean(text), "dim"))

    def complain(self, text: str, mark: Cell | None = None) -> None:
        """What went wrong. The mark stands before it on a terminal only."""
        if mark is not None and _is_terminal(self._err):
            self._to_a_person(Text.assemble("  ", (mark.text, mark.style), f" {clean(text)}"))
        else:
            self._err.write(clean(text) + "\n")

    def _to_a_person(self, line: Text) -> None:
        Console(file=self._err, highlight=False, markup=False).print(line, soft_wrap=True)

    def flush(self) -> None:
        self._out.flush()

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Advance]:
        """A bar while the block runs, for a person who waits; yields what moves it on."""
        if total < _WORTH_A_BAR or not _is_terminal(self._err):
            yield lambda steps: None
            return
        # Lines printed meanwhile scroll by above the bar, so both need the same console.
        console = self._console if self.is_rich else Console(file=self._err)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task(label, total=total)
            yield lambda steps: progress.advance(task, steps)


def clean(text: str) -> str:
    """`text` without the power to move the cursor, recolour or rename the terminal."""
    return text.translate(_STEERING)


def one_line(text: str) -> str:
    """`text` on one line and without tabs, as a field of a table needs it."""
    return clean(_SPACES.sub(" ", text).strip())


def _is_terminal(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _table(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int
) -> tuple[Table, int]:
    """The table, and how wide it must be: half an id is of no use, so a line may exceed `width`."""
    cells = [[Text(one_line(cell.text), cell.style) for cell in row] for row in rows]
    widths = [
        max(len(column.heading), *(row[index].cell_len for row in cells))
        for index, column in enumerate(columns)
    ]
    fixed = sum(w + _GAP for w, column in zip(widths, columns, strict=True) if not column.flexible)
    room = max(width - fixed, _NARROWEST)
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold")
    for column in columns:
        justify: JustifyMethod = "right" if column.is_number else "left"
        table.add_column(column.heading, justify=justify, no_wrap=True)
    for row in cells:
        for text, column in zip(row, columns, strict=True):
            if column.flexible:
                text.truncate(room, overflow="ellipsis")
        table.add_row(*row)
    return table, max(width, fixed + room)
