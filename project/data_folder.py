"""The folder that holds everything the program writes."""

import fcntl
import os
from pathlib import Path

from django.conf import settings

from project.env import env_secret


class DataFolderError(Exception):
    """The folder cannot be used. The message is one sentence for the person at the terminal."""


def prepare(path: Path) -> Path:
    """Create the folder, for its owner only, and prove that it can be written to."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = path / f".probe.{os.getpid()}"
        probe.touch(mode=0o600)
        probe.unlink()
    except OSError as error:
        raise DataFolderError(f"cannot write to the data folder {path}: {error.strerror}") from None
    return path


def require() -> None:
    """For commands with nothing to do where no server ever ran: raises `DataFolderError` there.

    They ask when their arguments are understood, so that help needs no folder. With a database
    server the runs lie there, whatever the folder.
    """
    if not settings.DATA_DIR.is_dir() and not env_secret("DATABASE_URL"):
        raise DataFolderError(
            f"there is no data folder {settings.DATA_DIR}; --data names another one"
        )


class DataFolderLock:
    """Held by the one server of a data folder for as long as its process lives.

    The kernel gives the lock back when the process dies, however it dies.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "serve.lock"
        self._descriptor: int | None = None

    def acquire(self) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode("ascii", "replace").strip()
            os.close(descriptor)
            process = f" (process {holder})" if holder else ""
            raise DataFolderError(
                f"another server{process} already uses the data folder {self._path.parent}"
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
