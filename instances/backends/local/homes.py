"""Where an instance lies on disk, and what is written down about it.

    <folder>/<id>/instance.json   its record
    <folder>/<id>/lock            held while somebody starts, stops or removes it
    <folder>/<id>/log, log.1      what it wrote to stderr, bounded
    <folder>/<id>/log.1.from      how much of it was left out before log.1
    <folder>/<id>/data/           its own data folder
    <folder>/.place               what tells this folder from others

A name that begins with a dot is never an instance: it is being made, or being removed.
"""

import asyncio
import fcntl
import os
import secrets
import shutil
import stat
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from instances.backends.local.limits import command_seconds
from instances.backends.local.processes import ProcessMark
from instances.errors import BackendBusy, BackendFailed, InstanceNotFound
from instances.objects import is_instance_id

_LOCK_LOOK_SECONDS = 0.05
_NEW, _GONE = ".new-", ".gone-"


class Record(BaseModel):
    """What `instance.json` says. Times are Unix seconds."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str | None
    region: str | None
    port: int  # on 127.0.0.1, the same for ever
    created_at: int
    updated_at: int
    wanted: Literal["running", "paused", "gone"] = "running"
    #: It was stopped because its server stopped; the next server starts it again.
    is_halted: bool = False
    trouble: str = ""  # why that failed when it was tried last
    process: ProcessMark | None = None  # the one started last
    started_at: int = 0  # when that was
    has_answered: bool = False  # ever, so it is more than an attempt
    #: When it answered last. A start counts, so that it has time to begin answering.
    last_heartbeat: int = 0


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of one instance."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def data(self) -> Path:
        return self.path / "data"

    @property
    def log(self) -> Path:
        return self.path / "log"

    def read(self) -> Record:
        """Raises `InstanceNotFound`, and `BackendFailed` for a record that makes no sense."""
        try:
            written = (self.path / "instance.json").read_bytes()
        except FileNotFoundError:
            raise InstanceNotFound("no such instance") from None
        try:
            return Record.model_validate_json(written)
        except ValidationError:
            raise BackendFailed("the record of this instance is damaged") from None

    def write(self, record: Record) -> None:
        """Whole or not at all, whatever happens to this process or this machine.

        The caller holds the lock of the instance.
        """
        path = self.path / "instance.json"
        draft = path.with_name(f".instance.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(record.model_dump_json(indent=2).encode())
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Alone with this instance, among all processes.

        Raises `BackendBusy` when somebody else does not finish, `InstanceNotFound` when they
        removed it.
        """
        with self._open_lock() as descriptor:
            await _lock(descriptor)
            self._check_still_there(descriptor)
            yield

    @contextmanager
    def locked_if_free(self) -> Iterator[bool]:
        """The same without waiting; False while somebody else has it."""
        with self._open_lock() as descriptor:
            is_free = _try_lock(descriptor)
            if is_free:
                self._check_still_there(descriptor)
            yield is_free

    @contextmanager
    def _open_lock(self) -> Iterator[int]:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            descriptor = os.open(self.path / "lock", flags, 0o600)
        except FileNotFoundError:
            raise InstanceNotFound("no such instance") from None
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _check_still_there(self, descriptor: int) -> None:
        """Whoever removed it held the lock of a file that is gone now."""
        try:
            now = (self.path / "lock").stat()
        except FileNotFoundError:
            raise InstanceNotFound("no such instance") from None
        if now.st_ino != os.fstat(descriptor).st_ino:
            raise InstanceNotFound("no such instance")


def find_home(folder: Path, instance_id: str) -> Home:
    """Raises `InstanceNotFound`, also for one that is being removed."""
    home = Home(folder / instance_id)
    if not is_instance_id(instance_id) or not _is_home(home.path):
        raise InstanceNotFound("no such instance")
    return home


def all_homes(folder: Path) -> list[Home]:
    try:
        return [Home(path) for path in sorted(folder.iterdir()) if _is_home(path)]
    except FileNotFoundError:
        return []


@contextmanager
def new_home(folder: Path, instance_id: str) -> Iterator[Home]:
    """A folder that nobody sees until the block has put a record into it."""
    draft = Home(folder / f"{_NEW}{instance_id}")
    draft.path.mkdir(mode=0o700)
    try:
        draft.data.mkdir(mode=0o700)
        yield draft
        draft.path.rename(folder / instance_id)
    except BaseException:
        shutil.rmtree(draft.path, ignore_errors=True)
        raise


def remove_home(home: Home) -> None:
    """All of it at once for whoever looks, then file by file. Links in it are not followed."""
    gone = home.path.with_name(f"{_GONE}{home.id}-{secrets.token_hex(4)}")
    home.path.rename(gone)
    shutil.rmtree(gone)


def sweep_remains(folder: Path) -> None:
    """Finish removing what a process that died left half removed or half made.

    The caller holds the lock of the folder, without which nothing is made.
    """
    for path in folder.iterdir():
        if path.name.startswith((_NEW, _GONE)) and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)


def place_of(folder: Path) -> str:
    """The name of that folder, chosen with its first use. It is moved and restored with it.

    Servers on one database tell by it whose an instance is: each knows of its own folder alone.
    """
    make_folder(folder)
    path = folder / ".place"
    if not path.exists():
        draft = path.with_name(f".place-{secrets.token_hex(4)}")
        draft.write_text(secrets.token_hex(8))
        with suppress(FileExistsError):
            path.hardlink_to(draft)  # whoever comes first names it
        draft.unlink()
    return path.read_text()[:16]


def make_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


@asynccontextmanager
async def folder_locked(folder: Path) -> AsyncIterator[None]:
    """While somebody counts the instances, chooses a port and makes one more."""
    make_folder(folder)
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        await _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def _is_home(path: Path) -> bool:
    if path.name.startswith("."):
        return False
    try:
        return stat.S_ISDIR(path.lstat().st_mode) and (path / "instance.json").is_file()
    except OSError:
        return False


async def _lock(descriptor: int) -> None:
    """Without a thread that waits: as long as a command takes, and then `BackendBusy` is raised."""
    deadline = time.monotonic() + command_seconds()
    while not _try_lock(descriptor):
        if time.monotonic() > deadline:
            raise BackendBusy("another command on it does not come to its end", retry_after=10)
        await asyncio.sleep(_LOCK_LOOK_SECONDS)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
