"""A clock that sleeps until something is due, sees to it, and sleeps again."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from project.lib.pool import in_database_thread

logger = logging.getLogger(__name__)

#: After a tick that failed, or left what was due undone: the queue was full, say.
RETRY_SECONDS = 1.0


class AlarmClock:
    """Calls a tick, which does what is due and returns when the next thing is (or `None`).

    One per process and purpose, made with its module. Any number of processes may have one of the
    same purpose: the tick sees to it that each thing is done once.
    """

    def __init__(self, *, reread_seconds: float) -> None:
        """`reread_seconds`: how soon it is noticed what another process has changed."""
        self._reread_seconds = reread_seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.Event | None = None

    def wake(self) -> None:
        """From any thread: something has changed, and the change is committed."""
        loop, wake = self._loop, self._wake
        if loop is not None and wake is not None and not loop.is_closed():
            loop.call_soon_threadsafe(wake.set)

    async def run(self, tick: Callable[[], datetime | None]) -> None:
        """Until it is cancelled."""
        self._loop, self._wake = asyncio.get_running_loop(), asyncio.Event()
        try:
            while True:
                self._wake.clear()
                try:
                    seconds = self._seconds_until(await in_database_thread(tick))
                except Exception:
                    logger.exception("a clock's tick failed", extra={"tick": tick.__module__})
                    seconds = RETRY_SECONDS
                try:
                    async with asyncio.timeout(seconds):
                        await self._wake.wait()
                except TimeoutError:
                    continue
        finally:
            self._loop = self._wake = None

    def _seconds_until(self, moment: datetime | None) -> float:
        if moment is None:
            return self._reread_seconds
        seconds = (moment - datetime.now(UTC)).total_seconds()
        # What is due still could not be done.
        return min(seconds, self._reread_seconds) if seconds > 0 else RETRY_SECONDS
