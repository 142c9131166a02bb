"""The results as tables for a person."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.core import wording
from bench.core.figure import Figure, Row
from bench.core.machine import Machine

_STYLES = {None: "", True: "green", False: "bold red"}
_PIPE_WIDTH = 200  # a file has no edge to wrap at


class Reporter:
    """Tells what is being measured on stderr, and the results on stdout."""

    def __init__(self) -> None:
        self._out = Console(highlight=False)
        if not self._out.is_terminal:
            self._out = Console(highlight=False, width=_PIPE_WIDTH)
        self._err = Console(stderr=True, highlight=False)

    def begin(self, machine: Machine) -> None:
        self._err.print(str(machine))
        if machine.is_busy:
            self._err.print(
                "Something else is using this machine: absolute numbers will be low,"
                " ratios less exact.",
                style="yellow",
            )

    def measuring(self, figure: Figure) -> None:
        self._err.print(f"measuring {figure.name} …", style="dim")

    def failed(self, figure: Figure, reason: str) -> None:
        self._err.print(Text(f"{figure.name}: {reason}", style="red"))

    def note(self, text: str) -> None:
        self._err.print(text, style="dim", soft_wrap=True)

    def show(self, figure: Figure, rows: Sequence[Row]) -> None:
        table = Table(title=figure.title, title_justify="left", box=box.SIMPLE_HEAD)
        table.add_column("", overflow="fold")
        for heading in ("measured", "yardstick", "ratio"):
            table.add_column(heading, justify="right", no_wrap=True)
        for heading in ("target", "", "beside it"):
            table.add_column(heading, overflow="fold")
        for row in rows:
            table.add_row(*_cells(row))
        self._out.print(table)
        for yardstick in dict.fromkeys(row.yardstick for row in rows):
            self._out.print(f"  yardstick: {yardstick}", style="dim")


def _cells(row: Row) -> list[str | Text]:
    return [
        row.label,
        wording.measured(row),
        wording.number(row.yardstick_value),
        wording.ratio(row),
        wording.target(row),
        Text(wording.verdict(row), style=_STYLES[row.is_met]),
        row.detail,
    ]
