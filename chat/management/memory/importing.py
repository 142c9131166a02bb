"""`memory import`: the Markdown files of a folder become documents."""

import argparse
from pathlib import Path

from django.core.management.base import CommandError

from accounts.management.actor import command_line_actor
from chat.management.memory.reindex import embed
from chat.memory.by_hand import write_by_hand
from chat.memory.folders import Found, NotADocument, find_files, is_stored, read_file
from project.lib.terminal import Terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", type=Path)
    parser.add_argument("--dry-run", action="store_true", help="say what would be written")


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    folder: Path = options.folder
    if not folder.is_dir():
        raise CommandError(f"{folder}: there is no such folder")
    files = _checked(folder, terminal)
    written = 0
    with terminal.progress("importing", len(files)) as advance:
        for found in files:
            written += _import(folder, found, terminal, dry_run=options.dry_run)
            advance(1)
    verb = "would write" if options.dry_run else "wrote"
    terminal.line(f"{verb} {written} of {len(files)} documents; the others say that already")
    return 0 if options.dry_run else embed(terminal)


def _checked(folder: Path, terminal: Terminal) -> list[Found]:
    """All files, each readable as a document; nothing is written when one is not."""
    files: list[Found] = []
    refused = 0
    for found in find_files(folder):
        try:
            if isinstance(found, NotADocument):
                raise found
            read_file(folder, found)
        except NotADocument as error:
            refused += 1
            terminal.complain(f"memory: {error}")
        else:
            files.append(found)
    if refused:
        raise CommandError(f"{refused} files are no documents; nothing was written")
    return files


def _import(folder: Path, found: Found, terminal: Terminal, *, dry_run: bool) -> bool:
    content = read_file(folder, found)
    if is_stored(found, content):
        return False
    terminal.line(found.path)
    if not dry_run:
        write_by_hand(found.owner, found.name, content, actor=command_line_actor())
    return True
