"""Looking after the instances of a folder, for as long as a server lives.

Whoever holds the lock of the folder has the turn: the server on it, or `instance_backend`. It
starts what should be running, keeps logs small, notices who begins to answer, and when it stops in
good order, so do they. Restarting one that has died is the monitor's business, which knows when to
give up.
"""

import asyncio
import fcntl
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

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
from project.lib.tasks import meanwhile

logger = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
#: How many start at a time: each needs a processor for some seconds.
_STARTS_AT_A_TIME = 2


@asynccontextmanager
async def supervise(folder: Path) -> AsyncIterator[None]:
    """Look after them while the block runs, whenever nobody else does; then stop them."""
    supervisor = _Supervisor(folder)
    try:
        async with meanwhile(supervisor.run()):
            yield
    finally:
        await supervisor.close()


class _Supervisor:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._backend = LocalBackend(folder)
        self._turn: int | None = None  # the descriptor that holds the lock
        self._starts = asyncio.Semaphore(_STARTS_AT_A_TIME)

    async def run(self) -> None:
        while True:
            try:
                await self._round()
            except Exception:
                logger.exception("looking after the instances failed")
            await asyncio.sleep(LOOK_SECONDS)

    async def close(self) -> None:
        """Stop all that run, side by side, and let the next one have the turn."""
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
            await self._begin()
        for home in await asyncio.to_thread(all_homes, self._folder):
            with suppress(InstancesError):
                await self._backend.look_after(home.id)

    async def _begin(self) -> None:
        async with folder_locked(self._folder):
            await asyncio.to_thread(sweep_remains, self._folder)
        homes = await asyncio.to_thread(all_homes, self._folder)
        await asyncio.gather(*(self._resume(home) for home in homes))

    async def _resume(self, home: Home) -> None:
        async with self._starts:
            try:
                if not await self._backend.resume(home.id):
                    return
                logger.info("instance started again", extra={"instance_id": home.id})
                await self._until_it_answers(home.id)
            except InstanceNotFound:
                await self._finish_removal(home)
            except InstancesError as error:
                facts = {"instance_id": home.id, "reason": str(error)}
                logger.warning("an instance could not be started again", extra=facts)

    async def _until_it_answers(self, instance_id: str) -> None:
        for _ in range(START_SECONDS):
            await asyncio.sleep(1)
            if await self._backend.look_after(instance_id):
                return

    async def _finish_removal(self, home: Home) -> None:
        """Somebody killed it and died over that."""
        with suppress(InstancesError):
            await self._backend.kill(home.id)

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
