"""The courier of a server: makes the attempts that are due, many at a time, and none for long."""

import asyncio
import logging
from collections import Counter
from datetime import UTC, datetime

from django.conf import settings
from django.utils import timezone

from chat.services.leases import is_our_turn, leave
from chat.webhooks.claims import Letter, claim_due, count_waiting, next_due, void_claims_of
from chat.webhooks.clock import clock
from chat.webhooks.log import forget_old_messages
from chat.webhooks.sending import send
from chat.webhooks.settling import settle
from chat.webhooks.telling import Sweep
from project.lib.pool import in_database_thread

logger = logging.getLogger(__name__)

SERVICE = "webhooks"
#: Seconds between two looks for what no signal told.
SWEEP_SECONDS = 5.0
RETENTION_SECONDS = 600.0
#: What attempts under way get when the server stops. One that is cut off is made again.
DRAIN_SECONDS = 2.0


class Courier:
    """`owner` names this process, the same after a restart: what a killed one had under way is
    then known for not sent."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._under_way: Counter[str] = Counter()  # attempts by endpoint
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until it is cancelled; then attempts under way get a moment to end."""
        try:
            await self._void_claims()
            await clock.run(self.tick)
        finally:
            await self._stop()

    async def _void_claims(self) -> None:
        try:
            await in_database_thread(void_claims_of, self._owner, timezone.now())
        except Exception:
            logger.exception("what a predecessor had under way waits until its claims run out")

    def tick(self) -> datetime | None:
        """Take what is due; when something is due again. Called in a database thread."""
        now = datetime.now(UTC)
        due = next_due()
        if due is None or due > now:
            return due
        letters = claim_due(self._owner, now, dict(self._under_way))
        if letters:
            self._loop.call_soon_threadsafe(self._begin, letters)
        return next_due()

    def _begin(self, letters: list[Letter]) -> None:
        for letter in letters:
            self._under_way[letter.endpoint_id] += 1
            task = asyncio.create_task(self._deliver(letter))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, letter: Letter) -> None:
        try:
            result = await send(letter)
            await in_database_thread(settle, letter, result, timezone.now())
        except Exception:
            # Its claim runs out, and it is tried again.
            logger.exception("an attempt failed", extra={"delivery": letter.delivery_id})
        finally:
            self._under_way -= Counter([letter.endpoint_id])  # keeps none that has none
            clock.wake()  # there may be more for this endpoint

    async def _stop(self) -> None:
        if self._tasks:
            await asyncio.wait(
                self._tasks, timeout=min(DRAIN_SECONDS, settings.STARPORT_DRAIN_SECONDS)
            )
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5.0)


async def keep_looking() -> None:
    """Sweep, and forget what is old, until cancelled. Of several servers one has the turn."""
    sweep, forgot_at = Sweep(), float("-inf")
    loop = asyncio.get_running_loop()
    try:
        while True:
            try:
                await in_database_thread(count_waiting)
                if await in_database_thread(is_our_turn, SERVICE):
                    await in_database_thread(sweep.look)
                    if loop.time() - forgot_at >= RETENTION_SECONDS:
                        forgot_at = loop.time()
                        await in_database_thread(forget_old_messages)
            except Exception:
                logger.exception("looking for what happened failed")
            await asyncio.sleep(SWEEP_SECONDS)
    finally:
        await leave(SERVICE)
