"""The processes of instances: starting, recognising, measuring and ending them.

A process is known by its number *and* the moment it began, and by the data folder in its command
line. The number alone may be somebody else's by now, and nobody else is ever sent a signal.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil
from django.conf import settings
from pydantic import BaseModel, ConfigDict

from instances.backends.local.environment import environment_of_instance
from instances.backends.local.limits import KILL_SECONDS, SHOW_SECONDS
from instances.errors import BackendFailed

_LOOK_SECONDS = 0.05
_SAMPLE_SECONDS = 0.2  # over which the use of the processor is measured
_SAME_SECONDS = 1.5  # the kernel tells the start of the machine in whole seconds, which waver


class ProcessMark(BaseModel):
    model_config = ConfigDict(frozen=True)

    pid: int
    #: Seconds between the start of the machine and its own. Unlike a time of day, it stays the same
    #: when somebody sets the clock.
    began: float


def start(*, data: Path, port: int, log: Path) -> ProcessMark:
    """Start a server that outlives this process. Raises `OSError`."""
    manage = settings.BASE_DIR / "manage.py"
    address = f"127.0.0.1:{port}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(log, flags, 0o600), "ab") as stderr:
        child = subprocess.Popen(  # noqa: S603 - our own program, no part of it comes from a request
            [sys.executable, str(manage), "serve", "--addr", address, "--data", str(data)],
            env=environment_of_instance(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # its start screen shows the key of its first admin
            stderr=stderr,
            start_new_session=True,  # Ctrl+C in this terminal is not meant for it
        )
    child.returncode = 0  # subprocess need not wait for it: `find` does, if it ends before us
    process = psutil.Process(child.pid)
    _until_it_shows(process, data)
    return ProcessMark(pid=child.pid, began=_began(process))


def abort(mark: ProcessMark) -> None:
    """End what `start` has just begun."""
    with suppress(psutil.Error):
        psutil.Process(mark.pid).kill()


def find(mark: ProcessMark | None, data: Path) -> psutil.Process | None:
    """The living process of the instance with this data folder.

    Without a mark, or when its process is gone, the one that holds the lock of the data folder:
    somebody started it and died before they could write it down.
    """
    if mark is not None and (process := _marked(mark, data)) is not None:
        return process
    holder = _holder_of(data / "serve.lock")
    return holder if holder is not None and _serves(holder, data) else None


async def end(process: psutil.Process, *, grace_seconds: float) -> bool:
    """SIGTERM, and SIGKILL for what has not ended by then. True when the first was enough.

    Raises `BackendFailed` when neither is.
    """
    family = _family(process)
    _send(process, signal.SIGTERM)
    _send(process, signal.SIGCONT)  # one that is stopped would not notice
    is_in_order = await _has_ended([process], grace_seconds)
    if not is_in_order:
        family = {*family, *_family(process)}
    # What it started itself and left behind, and the process too if it would not listen.
    for member in family:
        _send(member, signal.SIGKILL)
    if not await _has_ended(family, KILL_SECONDS):
        raise BackendFailed("the process of this instance does not end")
    return is_in_order


async def measure(process: psutil.Process) -> tuple[float, int]:
    """What it and its children use: per cent of one processor, and bytes of memory."""
    began, (before, _) = time.monotonic(), await asyncio.to_thread(_used, process)
    await asyncio.sleep(_SAMPLE_SECONDS)
    after, memory = await asyncio.to_thread(_used, process)
    # A child that ended meanwhile takes its seconds along.
    return 100 * max(after - before, 0.0) / (time.monotonic() - began), memory


def uptime(process: psutil.Process) -> int:
    """Whole seconds; 0 for one that has just ended."""
    try:
        began: float = process.create_time()
        return max(round(time.time() - began), 0)
    except psutil.Error:
        return 0


def _until_it_shows(process: psutil.Process, data: Path) -> None:
    """A process that begins another program has no command line for an instant, and would be taken
    for a dead one.
    """
    deadline = time.monotonic() + SHOW_SECONDS
    while not (_serves(process, data) or _is_over(process) or time.monotonic() > deadline):
        time.sleep(0.002)


def _marked(mark: ProcessMark, data: Path) -> psutil.Process | None:
    try:
        process = psutil.Process(mark.pid)
        if abs(_began(process) - mark.began) > _SAME_SECONDS:
            return None
    except psutil.Error:
        return None
    if _has_left(process):
        return None
    return process if _serves(process, data) else None


def _serves(process: psutil.Process, data: Path) -> bool:
    """Whether it lives and is a server of this data folder."""
    try:
        return not _is_over(process) and {"serve", str(data)} <= {*process.cmdline()}
    except psutil.Error:
        return False


def _holder_of(lock: Path) -> psutil.Process | None:
    try:
        return psutil.Process(int(lock.read_text()[:20]))
    except (OSError, ValueError, OverflowError, psutil.Error):
        return None


def _began(process: psutil.Process) -> float:
    began: float = process.create_time() - psutil.boot_time()
    return round(began, 2)


def _is_over(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True


def _has_left(process: psutil.Process) -> bool:
    """The same, and if it is a child of this process, it is reaped: it is us who it waits for.

    Only for one that is known to be the instance's, since a child is reaped by who started it.
    """
    if not _is_over(process):
        return False
    try:
        # Its first thread may be over while others still hold its files and its port.
        return os.waitpid(process.pid, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return True


def _family(process: psutil.Process) -> set[psutil.Process]:
    try:
        return {process, *process.children(recursive=True)}
    except psutil.Error:
        return {process}


def _used(process: psutil.Process) -> tuple[float, int]:
    seconds, memory = 0.0, 0
    for member in _family(process):
        with suppress(psutil.Error):
            times = member.cpu_times()
            seconds += times.user + times.system
            memory += member.memory_info().rss
    return seconds, memory


def _send(process: psutil.Process, number: signal.Signals) -> None:
    """psutil looks once more whether it is still the same process."""
    with suppress(psutil.Error):
        process.send_signal(number)


async def _has_ended(processes: Iterable[psutil.Process], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    left = list(processes)
    while left := [process for process in left if not _has_left(process)]:
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_LOOK_SECONDS)
    return True
