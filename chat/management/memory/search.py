"""`memory search`: what a user would find, or what is shared."""

import argparse
from dataclasses import asdict

from chat.memory.documents import SHARED
from chat.memory.search import Hit, search
from project.lib.command_line import positive
from project.lib.terminal import Cell, Column, Terminal
from runs.log.events import to_json

_COLUMNS = (Column("document"), Column("lines"), Column("text", flexible=True))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("query", metavar="QUERY")
    parser.add_argument("--owner", metavar="ID", default=SHARED, help="also this user's documents")
    parser.add_argument("--limit", type=positive, default=10, metavar="N", help="at most N (10)")
    parser.add_argument("--json", action="store_true", help="one object a line")


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    hits = search(options.owner, options.query, options.limit)
    if options.json:
        for hit in hits:
            terminal.json(to_json(asdict(hit)))
    elif terminal.is_rich:
        terminal.table(_COLUMNS, [[Cell(value) for value in _values(hit)] for hit in hits])
    else:
        for hit in hits:
            terminal.record(_values(hit))
    if not hits:
        terminal.note("nothing was found")
    return 0


def _values(hit: Hit) -> tuple[str, str, str]:
    return hit.source, f"{hit.line_start}-{hit.line_end}", hit.text
