"""A private key that another program can read by a path, and that nothing leaves behind.

Where the system can, key and known hosts are files in memory without a name in any folder. They are
reached through this process (`/proc/<pid>/fd/<n>`) and end with it, also with SIGKILL. ssh closes
all descriptors that it inherits, so it gets the path of ours. Elsewhere they are files in a private
folder that a small process of its own removes as soon as this one is gone.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

_OWNER_ONLY = 0o600
_NO_ENVIRONMENT = {"PATH": os.defpath}  # for helpers, which need none of our secrets


@dataclass(frozen=True, slots=True)
class Lent:
    """Paths that are good for as long as the `lend` that made them."""

    key: str
    known_hosts: str  # empty, and whoever reads it may add to it


@contextmanager
def lend(private_key: str) -> Iterator[Lent]:
    content = _as_ssh_reads_it(private_key)
    with ExitStack() as stack:
        try:
            lent = Lent(*(stack.enter_context(_file_in_memory(data)) for data in (content, b"")))
        except _NotHere:
            lent = stack.enter_context(_files_in_a_folder(content))
        yield lent


def _as_ssh_reads_it(private_key: str) -> bytes:
    """OpenSSH wants lines that end in a line feed, the last one as well."""
    return "".join(f"{line}\n" for line in private_key.splitlines()).encode()


class _NotHere(Exception):
    """This system has no such files, or no way to reach those of another process."""


@contextmanager
def _file_in_memory(content: bytes) -> Iterator[str]:
    try:
        descriptor = os.memfd_create("starport-ssh")
    except (AttributeError, OSError) as error:
        raise _NotHere from error
    try:
        os.fchmod(descriptor, _OWNER_ONLY)  # ssh refuses a key that others could read
        path = f"/proc/{os.getpid()}/fd/{descriptor}"
        if not (_leads_to(path, descriptor) and _is_readable_elsewhere(path)):
            raise _NotHere
        _write_all(descriptor, content)
        yield path
    finally:
        os.close(descriptor)


def _leads_to(path: str, descriptor: int) -> bool:
    """False without /proc, or with that of another PID namespace."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except OSError:
        return False


def _is_readable_elsewhere(path: str) -> bool:
    """False where the system keeps processes of one user from each other."""
    reader = ["/bin/sh", "-c", 'exec < "$1"', "sh", path]
    return not subprocess.run(reader, stderr=subprocess.DEVNULL, env=_NO_ENVIRONMENT).returncode  # noqa: S603


@contextmanager
def _files_in_a_folder(content: bytes) -> Iterator[Lent]:
    with _folder_that_goes() as folder:
        lent = Lent(str(folder / "key"), str(folder / "known_hosts"))
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(lent.key, flags, _OWNER_ONLY)
        try:
            os.fchmod(descriptor, _OWNER_ONLY)  # whatever the umask took away
            _write_all(descriptor, content)
        finally:
            os.close(descriptor)
        yield lent


@contextmanager
def _folder_that_goes() -> Iterator[Path]:
    """It is removed by this process, or by another one that waits for this one to die."""
    folder = Path(tempfile.mkdtemp(prefix="starport-ssh-", dir=_private_memory()))
    try:
        with _watched(folder):
            yield folder
    finally:
        rmtree(folder, ignore_errors=True)


def _private_memory() -> str | None:
    """A folder whose files never reach a disk; `None`: where temporary files belong."""
    candidates = (os.environ.get("XDG_RUNTIME_DIR", ""), "/dev/shm")  # noqa: S108
    return next((folder for folder in candidates if _is_usable(folder)), None)


def _is_usable(folder: str) -> bool:
    return (
        os.path.isabs(folder)
        and os.path.isdir(folder)
        and os.stat(folder).st_uid in (0, os.getuid())  # `sudo` may keep somebody else's variable
        and os.access(folder, os.W_OK | os.X_OK)
    )


@contextmanager
def _watched(folder: Path) -> Iterator[None]:
    """While the block runs, the end of this process ends a pipe, and with it the folder."""
    script = 'trap "" HUP INT QUIT TERM; read -r _; rm -rf -- "$1"'
    watcher = subprocess.Popen(  # noqa: S603 - the one argument is a path of ours
        ["/bin/sh", "-c", script, "sh", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=_NO_ENVIRONMENT,
        start_new_session=True,  # what ends a whole terminal does not end it
    )
    try:
        yield
    finally:
        watcher.communicate()


def _write_all(descriptor: int, content: bytes) -> None:
    with os.fdopen(descriptor, "wb", closefd=False) as file:
        file.write(content)
