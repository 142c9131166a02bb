"""Tables for people, tab-separated lines for programs."""

import sys
from collections.abc import Iterable, Sequence
from typing import IO, cast

from django.core.management.base import OutputWrapper
from rich.console import Console
from rich.table import Table


def print_table(
    stream: OutputWrapper, columns: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str
) -> None:
    """On a terminal a table, or `empty` when there are no rows; else one line a row, no heading."""
    if not stream.isatty():
        for row in rows:
            stream.write("\t".join(row) + "\n")
        return
    table = Table(header_style="bold", box=None)
    for column in columns:
        # Half an id is no use to anybody.
        table.add_column(column, overflow="fold", no_wrap=column == "id")
    for row in rows:
        table.add_row(*row)
    Console(file=cast(IO[str], stream)).print(table if table.row_count else empty, markup=False)


def note(message: str) -> None:
    """For the person at the terminal; not part of what a program reads from stdout."""
    sys.stderr.write(message + "\n")
