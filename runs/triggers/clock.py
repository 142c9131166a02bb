"""The clock of cron triggers: sleeps until the next time, fires, and sleeps again.

It may tick in any number of processes; `fire_due` sees to it that each time is fired for once.
"""

import asyncio
import logging
from datetime import datetime

from django.utils import timezone

from project.lib.pool import in_database_thread
from runs.triggers.firing import fire_due

logger = logging.getLogger(__name__)

#: How soon a trigger is noticed that another process has changed.
REREAD_SECONDS = 30.0
#: After a firing that could not be: the queue was full, the database did not answer.
RETRY_SECONDS = 1.0


class Clock:
    """Fires what is due in this process, in the event loop it runs in."""

    def __init__(self) -> None:
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def wake(self) -> None:
        """From any thread: a trigger has changed."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            self._wake.clear()
            try:
                seconds = _seconds_until(await in_database_thread(fire_due))
            except Exception:
                logger.exception("firing cron triggers failed")
                seconds = RETRY_SECONDS
            try:
                await asyncio.wait_for(self._wake.wait(), seconds)
            except TimeoutError:
                continue


_clock: Clock | None = None


def set_clock(clock: Clock | None) -> None:
    """Name the clock of this process, or none when it stops."""
    global _clock
    _clock = clock


def changed() -> None:
    """A trigger was changed and the change is committed."""
    if _clock is not None:
        _clock.wake()


def _seconds_until(moment: datetime | None) -> float:
    if moment is None:
        return REREAD_SECONDS
    seconds = (moment - timezone.now()).total_seconds()
    # What is due still could not be fired.
    return min(seconds, REREAD_SECONDS) if seconds > 0 else RETRY_SECONDS
