"""`memory reindex`: cut and index all documents anew. Searches go on meanwhile."""

import argparse

from chat.memory.embedding import count_pending, embed_pending
from chat.memory.indexing import reindex
from chat.models import MemoryDocument
from project.lib.terminal import Terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--continue",
        dest="go_on",
        action="store_true",
        help="only what is not indexed as it should be: after an interruption, or other sizes",
    )


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    total = MemoryDocument.objects.count()
    with terminal.progress("indexing", total) as advance:
        done = reindex(go_on=options.go_on, advance=advance)
    terminal.line(f"indexed {done} of {total} documents")
    return embed(terminal)


def embed(terminal: Terminal) -> int:
    """What was written has embeddings as well, if a model for them is configured."""
    pending = count_pending()
    if not pending:
        return 0
    with terminal.progress("embedding", pending) as advance:
        done = embed_pending(advance)
    terminal.line(f"embedded {done} of {pending} chunks")
    if done < pending:
        terminal.complain("memory: the embedding model failed; search goes by words")
        return 1
    return 0
