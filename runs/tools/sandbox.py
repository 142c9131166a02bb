"""Reading and adding below one folder and nowhere else.

Whatever the path says and whoever changes the tree.

A path is walked one component at a time, each opened relative to the folder opened before it and
never through a symbolic link. What is checked is thus what is read: there is no moment between
the check and the open in which the tree could be changed.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

MAX_FILE_BYTES = 1_048_576
MAX_ENTRIES = 1000  # of one listing
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Non-blocking: opening a FIFO would otherwise wait for a writer before we could refuse it.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
# Exclusive: what is there already is never written to, a link least of all.
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Refused(Exception):
    """The path may not be read; the message quotes the path as it was given and nothing else."""


class Taken(Refused):
    """There is something of that name already."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One name of a folder. `size` is in bytes, 0 for folders."""

    name: str
    type: Literal["file", "folder"]
    size: int


@dataclass(frozen=True, slots=True)
class Listing:
    entries: list[Entry]
    truncated: bool


def read(root: Path, path: str, max_bytes: int = MAX_FILE_BYTES) -> bytes:
    """The contents of the regular file `path` below `root`. Raises `Refused`."""
    *folders, name = _components(path) or ["."]
    with _opened(root, folders, path) as folder:
        with _translated(path):
            file = os.open(name, _FILE, dir_fd=folder)
        try:
            _check_regular(os.fstat(file), path, max_bytes)
            with os.fdopen(file, "rb", closefd=False) as stream:
                data = stream.read(max_bytes + 1)
        finally:
            os.close(file)
    if len(data) > max_bytes:  # it grew since the check
        raise _too_large(path, max_bytes)
    return data


def add(root: Path, path: str, data: bytes) -> None:
    """Make the new file `path` below `root`, with the folders it lies in.

    Raises `Taken`, or `Refused`.
    """
    *folders, name = _components(path) or ["."]
    with _opened(root, folders, path, make=True) as folder:
        try:
            file = os.open(name, _NEW_FILE, 0o600, dir_fd=folder)
        except FileExistsError:
            raise Taken(f"{path!r}: exists already") from None
        except (OSError, ValueError) as error:
            raise Refused(f"{path!r}: cannot be written") from error
        with os.fdopen(file, "wb") as stream:
            stream.write(data)


def names(root: Path, path: str) -> Listing:
    """Files and folders directly in `path` below `root`, by name; links and devices left out."""
    with _opened(root, _components(path), path) as folder:
        found = sorted(os.listdir(folder))
        entries = [entry for name in found if (entry := _entry(folder, name)) is not None]
    return Listing(entries[:MAX_ENTRIES], truncated=len(entries) > MAX_ENTRIES)


def _components(path: str) -> list[str]:
    if "\0" in path or path.startswith("/"):
        raise Refused(f"{path!r}: give a path relative to the files folder")
    components = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in components:
        raise Refused(f"{path!r}: a path may not contain ..")
    return components


@contextmanager
def _opened(root: Path, components: list[str], path: str, *, make: bool = False) -> Iterator[int]:
    """The descriptor of the folder that `components` lead to, made on the way if asked for."""
    with _translated(path):
        current = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in components:
            with _translated(path):
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(name, 0o700, dir_fd=current)
                inner = os.open(name, _FOLDER, dir_fd=current)
            os.close(current)
            current = inner
        yield current
    finally:
        os.close(current)


@contextmanager
def _translated(path: str) -> Iterator[None]:
    """System errors name absolute paths and reasons; a model gets neither."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise Refused(f"{path!r}: there is no such file or folder here") from error


def _check_regular(status: os.stat_result, path: str, max_bytes: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Refused(f"{path!r}: is not a regular file")
    if status.st_size > max_bytes:
        raise _too_large(path, max_bytes)


def _too_large(path: str, max_bytes: int) -> Refused:
    return Refused(f"{path!r}: is larger than {max_bytes:,} bytes")


def _entry(folder: int, name: str) -> Entry | None:
    with suppress(OSError):  # removed since it was listed
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            return Entry(_text(name), "folder", 0)
        if stat.S_ISREG(status.st_mode):
            return Entry(_text(name), "file", status.st_size)
    return None


def _text(name: str) -> str:
    """Names are bytes on disk; what is not UTF-8 shows as question marks."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
