"""Looking after the instances of a folder, for as long as a server lives.

Whoever holds the lock of the folder has the turn: the server on it, or `instance_backend`. It
starts what should be running, ends what others left half done, keeps logs small, notices who begins
to answer, and when it stops in good order, so do they. Restarting one that has died is the
monitor's business, which knows when to give up.
"""

import asyncio
import fcntl
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instances.backends.local.backend import LocalBackend
from instances.backends.local.homes import (
    Home,
    all_homes,
    folder_locked,
    make_folder,
    sweep_remains,
)
from instances.backends.local.reports import START_SECONDS
from instances.errors import InstanceNotFound, InstancesError
from project.lib.tasks import end_task, meanwhile

logger = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
#: How many start at a time: each needs a processor for some seconds.
_STARTS_AT_A_TIME = 2
_LONGEST_PAUSE_SECONDS = 60.0

_Work = Callable[[Home], Coroutine[Any, Any, None]]


@asynccontextmanager
async def supervise(folder: Path) -> AsyncIterator[None]:
    """Look after them while the block runs, whenever nobody else does; then stop them."""
    supervisor = _Supervisor(folder)
    try:
        async with meanwhile(supervisor.run()):
            yield
    finally:
        await supervisor.close()


@dataclass(slots=True)
class _Pause:
    """Before something is tried again: each is twice as long as the one before."""

    seconds: float = LOOK_SECONDS
    until: float = 0.0
    told: str = ""  # what the log has said

    def begin(self) -> None:
        self.until = time.monotonic() + self.seconds
        self.seconds = min(2 * self.seconds, _LONGEST_PAUSE_SECONDS)

    def is_over(self) -> bool:
        return time.monotonic() >= self.until


class _Supervisor:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._backend = LocalBackend(folder)
        self._turn: int | None = None  # the descriptor that holds the lock
        self._has_begun = False
        self._starts = asyncio.Semaphore(_STARTS_AT_A_TIME)
        self._tasks: dict[str, asyncio.Task[None]] = {}  # what goes on beside the rounds
        self._pauses: dict[str, _Pause] = {}

    async def run(self) -> None:
        while True:
            try:
                await self._round()
            except Exception:
                logger.exception("looking after the instances failed")
            await asyncio.sleep(LOOK_SECONDS)

    async def close(self) -> None:
        """Stop all that run, side by side, and let the next one have the turn."""
        await asyncio.gather(*map(end_task, self._tasks.values()))
        if self._turn is not None:
            await asyncio.gather(*(self._halt(home) for home in all_homes(self._folder)))
            os.close(self._turn)
            self._turn = None
        await self._backend.aclose()

    async def _round(self) -> None:
        if self._turn is None:
            self._turn = await asyncio.to_thread(_take_turn, self._folder)
            if self._turn is None:
                return
        if not self._has_begun:
            async with folder_locked(self._folder):
                await asyncio.to_thread(sweep_remains, self._folder)
        homes = await asyncio.to_thread(all_homes, self._folder)
        for home in homes:
            await self._see_to(home)
        self._has_begun = True
        for home in homes:
            with suppress(InstancesError):
                await self._backend.look_after(home.id)

    async def _see_to(self, home: Home) -> None:
        """Go on with what was left behind: at first with all that should be running, and then
        with whatever has not come back or is not gone yet.
        """
        pause = self._pauses.get(home.id)
        if home.id in self._tasks or (pause is not None and not pause.is_over()):
            return
        try:
            record = await asyncio.to_thread(home.read)
        except InstancesError:
            return
        if record.wanted == "gone":
            self._begin(home, self._finish_removal)
        elif record.wanted == "paused" and record.process is not None:
            self._begin(home, self._finish_pause)
        elif record.wanted == "running" and (record.is_halted or not self._has_begun):
            self._begin(home, self._resume)

    def _begin(self, home: Home, work: _Work) -> None:
        self._pauses.setdefault(home.id, _Pause()).begin()
        task = asyncio.create_task(self._try(home, work))
        self._tasks[home.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(home.id, None))

    async def _try(self, home: Home, work: _Work) -> None:
        try:
            await work(home)
        except InstanceNotFound:
            self._pauses.pop(home.id, None)
        except InstancesError as error:
            self._warn(home, str(error))
        except Exception:
            logger.exception("looking after an instance failed", extra={"instance_id": home.id})

    def _warn(self, home: Home, reason: str) -> None:
        """Once for each reason."""
        pause = self._pauses.setdefault(home.id, _Pause())
        if pause.told != reason:
            facts = {"instance_id": home.id, "reason": reason}
            logger.warning("what was left of an instance cannot be gone on with", extra=facts)
        pause.told = reason

    async def _resume(self, home: Home) -> None:
        async with self._starts:
            if await self._backend.resume(home.id):
                self._pauses.pop(home.id, None)
                logger.info("instance started again", extra={"instance_id": home.id})
                await self._until_it_answers(home.id)

    async def _until_it_answers(self, instance_id: str) -> None:
        for _ in range(START_SECONDS):
            await asyncio.sleep(1)
            if await self._backend.look_after(instance_id):
                return

    async def _finish_removal(self, home: Home) -> None:
        """Somebody killed it and left, or died over that."""
        await self._backend.kill(home.id)
        self._pauses.pop(home.id, None)

    async def _finish_pause(self, home: Home) -> None:
        await self._backend.finish_pause(home.id)
        self._pauses.pop(home.id, None)

    async def _halt(self, home: Home) -> None:
        try:
            await self._backend.halt(home.id)
        except InstanceNotFound:
            return
        except InstancesError as error:
            facts = {"instance_id": home.id, "reason": str(error)}
            logger.warning("an instance could not be stopped", extra=facts)


def _take_turn(folder: Path) -> int | None:
    """Held until it is closed or the process dies, however it dies."""
    make_folder(folder)
    descriptor = os.open(folder / ".supervisor", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
