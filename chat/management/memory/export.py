"""`memory export`: documents as the Markdown files of a folder."""

import argparse
from pathlib import Path

from chat.memory.folders import paths, write_file
from project.lib.terminal import Terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", type=Path, help="made if it is not there")
    parser.add_argument("--owner", metavar="ID", help="this user's documents only")
    parser.add_argument("--dry-run", action="store_true", help="say what would be written")


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    folder: Path = options.folder
    documents = list(paths(options.owner))
    if not options.dry_run:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with terminal.progress("exporting", len(documents)) as advance:
        for document, path in documents:
            if not options.dry_run:
                write_file(folder, document, path)
            terminal.line(path)
            advance(1)
    verb = "would write" if options.dry_run else "wrote"
    terminal.line(f"{verb} {len(documents)} files")
    return 0
