"""The log of an instance: what its process appends, in a file that is kept small.

The process writes to its stderr and knows nothing of this. When the file has become too long, it
is copied to `log.1` and emptied; what is appended in the instant between goes unseen. Of one that
has grown far too long in one go only the end is copied, and `log.1.from` says where that began.
"""

import asyncio
import fcntl
import os
import shutil
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import orjson

LOG_BYTES = 4 * 1024 * 1024  # of each of the two files
_PIECE = 64 * 1024
_LOOK_SECONDS = 0.3


def note(log: Path, message: str) -> None:
    """A line of ours among those of the instance, in their form."""
    line = {"event": message, "level": "info", "timestamp": datetime.now(UTC).isoformat()}
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(log, flags, 0o600), "ab") as file:
        file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def rotate(log: Path, limit: int = LOG_BYTES, kept: int = LOG_BYTES) -> None:
    """Bound the log, in one go for whoever reads it through this module."""
    try:
        if log.stat().st_size <= limit:
            return
        with log.open("r+b") as file, _locked(file, fcntl.LOCK_EX):
            begin = file.seek(max(0, file.seek(0, os.SEEK_END) - kept))
            if begin > 0:  # with a whole line
                begin += len(file.readline(_PIECE))
            draft = log.with_name(".log.1")
            with _written(draft) as old:
                shutil.copyfileobj(file, old, _PIECE)
            with _written(_begin_of_older(log)) as said:
                said.write(b"%d\n" % begin)
            file.truncate(0)
            draft.replace(_older(log))
    except FileNotFoundError:
        return  # it has not written anything yet, or was removed


class LogReader:
    """Reads a log from its end, and then what is appended, also the last words of one that is
    removed meanwhile. Close it. Not for two tasks at once.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._file: BinaryIO | None = None
        self._offset = 0
        self._older: tuple[int, int] | None = None  # which file `log.1` was then
        self._rest: BinaryIO | None = None  # a `log.1` that is not read to its end

    def close(self) -> None:
        for file in (self._file, self._rest):
            if file is not None:
                file.close()

    def tail(self, count: int) -> bytes:
        """The last `count` lines, or fewer. What comes next is `new`."""
        try:
            file = self._opened()
        except FileNotFoundError:
            return b""  # nothing was ever written
        with _locked(file, fcntl.LOCK_SH):
            self._older = _identity(_older(self._log))
            self._offset = file.seek(0, os.SEEK_END)
            found = _last_lines(file, count)
        return _tail_of(_older(self._log), count - found.count(b"\n")) + found

    def new(self) -> bytes:
        """The next piece of what came since. Raises `FileNotFoundError` when the log is gone, and
        read to its end.
        """
        file = self._opened()
        with _locked(file, fcntl.LOCK_SH):
            is_gone = os.fstat(file.fileno()).st_nlink == 0
            piece = self._next_put_away() or self._next_of(file)
        if is_gone and not piece:
            raise FileNotFoundError
        return piece

    def _next_of(self, file: BinaryIO) -> bytes:
        file.seek(self._offset)
        piece = file.read(_PIECE)
        self._offset += len(piece)
        return piece

    def _next_put_away(self) -> bytes:
        """Of what was put away before it was read here, also if that has happened again since."""
        while self._rest is not None or self._begins_anew():
            assert self._rest is not None
            if piece := self._rest.read(_PIECE):
                return piece
            self._rest.close()
            self._rest = None
        return b""

    def _begins_anew(self) -> bool:
        """Whether the log does, so that the rest of it is in the older one."""
        older = _identity(_older(self._log))
        if older in (None, self._older):
            return False
        self._rest = _older(self._log).open("rb")
        self._rest.seek(max(0, self._offset - _where_older_begins(self._log)))
        self._older, self._offset = older, 0
        return True

    async def follow(self) -> AsyncGenerator[bytes, None]:
        """What comes, piece by piece, until the log is gone."""
        while True:
            try:
                piece = await asyncio.to_thread(self.new)
            except FileNotFoundError:
                return
            if piece:
                yield piece
            else:
                await asyncio.sleep(_LOOK_SECONDS)

    def _opened(self) -> BinaryIO:
        if self._file is None:
            self._file = self._log.open("rb")
        return self._file


def _last_lines(file: BinaryIO, count: int) -> bytes:
    """Read backwards, piece by piece, until there are enough line ends."""
    end, pieces, line_ends = file.seek(0, os.SEEK_END), [b""], 0
    while end > 0 and line_ends <= count:
        begin = max(end - _PIECE, 0)
        file.seek(begin)
        pieces.append(file.read(end - begin))
        line_ends += pieces[-1].count(b"\n")
        end = begin
    lines = b"".join(reversed(pieces)).splitlines(keepends=True)
    return b"".join(lines[-count:]) if count > 0 else b""


def _tail_of(path: Path, count: int) -> bytes:
    try:
        with path.open("rb") as file:
            return _last_lines(file, count)
    except FileNotFoundError:
        return b""


def _older(log: Path) -> Path:
    return log.with_name(f"{log.name}.1")


def _begin_of_older(log: Path) -> Path:
    return log.with_name(f"{log.name}.1.from")


def _where_older_begins(log: Path) -> int:
    """How many bytes were left out before it."""
    try:
        return int(_begin_of_older(log).read_text())
    except (FileNotFoundError, ValueError):
        return 0


def _written(path: Path) -> BinaryIO:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o600), "wb")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


@contextmanager
def _locked(file: BinaryIO, lock: int) -> Iterator[None]:
    fcntl.flock(file, lock)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)
