"""Data folders and environments that nothing of the person who measures leaks into."""

import os
import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

#: What a process needs of its parent's environment, and nothing of anybody's configuration.
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "VIRTUAL_ENV")

OPEN_FILES = 16_384  # enough for a thousand streams on both ends


@contextmanager
def fresh_folder() -> Iterator[Path]:
    """An empty folder that is gone afterwards. It lies under $TMPDIR: the disk is measured too."""
    with tempfile.TemporaryDirectory(prefix="starport-bench-") as folder:
        yield Path(folder)


@contextmanager
def scratch_database(address: str) -> Iterator[str]:
    """A database of PostgreSQL that is gone afterwards; `address` is a URL of another one there."""
    name = f"starport_bench_{os.getpid()}"
    with psycopg.connect(address, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield urlunsplit(urlsplit(address)._replace(path=f"/{name}"))
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def environment(data: Path, **changes: str) -> dict[str, str]:
    """A default installation on SQLite that answers with the scripted model."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    chosen = {
        "STARPORT_DATA": str(data),
        "STARPORT_MODELS": "scripted:scripted",
        "STARPORT_LOG_FORMAT": "console",
        "STARPORT_LOG_LEVEL": "WARNING",
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "PYTHONUNBUFFERED": "1",
    }
    return {**kept, **chosen, **changes}


def allow_many_files() -> None:
    """Raise the limit of open files for this process and its children, as far as it may go."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    ceiling = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft < ceiling:
        resource.setrlimit(resource.RLIMIT_NOFILE, (ceiling, hard))
