"""An instance's log on its way to somebody: read ahead a little, given out in batches."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from sys import getsizeof

from chat.errors import TooManyLogs
from instances.errors import BackendBusy, BackendFailed, InstancesError
from instances.objects import LogEntry

logger = logging.getLogger(__name__)

#: How far the reader may be ahead. A reader that is not served stops, and so does the backend.
AHEAD = 1000
#: And how much memory that may take; one entry more is always read, or none ever would be.
AHEAD_BYTES = 1024 * 1024
BATCH = 500
#: Each holds a connection to the backend, for as long as its reader likes.
OF_ONE_READER = 20
OF_ALL_READERS = 200
RETRY_SECONDS = 5

_open: Counter[str] = Counter()  # feeds by reader, in this process


class LogFeed:
    """One log. Make it on the event loop; `cancel` ends it at any time, and may be repeated.

    Raises `TooManyLogs` when its reader has as many as one may have, and `BackendBusy` when all
    readers of this process have.
    """

    def __init__(self, entries: AsyncGenerator[LogEntry, None], *, reader: str) -> None:
        if _open[reader] >= OF_ONE_READER:
            raise TooManyLogs
        if _open.total() >= OF_ALL_READERS:
            raise BackendBusy("too many logs are open; try again later", retry_after=RETRY_SECONDS)
        self.count = 0  # of entries that were given out
        self.failure: InstancesError | None = None
        self.is_over = False
        self._first: list[LogEntry] = []
        self._queue: asyncio.Queue[LogEntry | None] = asyncio.Queue(AHEAD)
        self._bytes = 0  # of what is in the queue
        self._has_room = asyncio.Event()
        self._task = asyncio.create_task(self._read(entries))
        _open[reader] += 1
        self._task.add_done_callback(lambda _: _one_less(reader))

    def cancel(self) -> None:
        self._task.cancel()

    async def begin(self, seconds: float) -> None:
        """Until there is something to give out, or nothing came for so long.

        Raises what the backend refused: it is still in time to be an answer.
        """
        try:
            async with asyncio.timeout(seconds):
                self._take(self._first, await self._queue.get())
        except TimeoutError:
            return  # a log may well be silent
        if self.failure is not None:
            raise self.failure

    async def next_batch(self, seconds: float) -> list[LogEntry]:
        """What is there by now, or comes within so long; nothing when it was silent, or is over."""
        batch, self._first = self._first, []
        try:
            if not batch and not self.is_over:
                async with asyncio.timeout(seconds):
                    self._take(batch, await self._queue.get())
        except TimeoutError:
            return []
        while not self.is_over and len(batch) < BATCH and not self._queue.empty():
            self._take(batch, self._queue.get_nowait())
        self.count += len(batch)
        return batch

    def _take(self, batch: list[LogEntry], item: LogEntry | None) -> None:
        if item is None:
            self.is_over = True
        else:
            batch.append(item)
            self._bytes -= _size(item)
            self._has_room.set()

    async def _read(self, entries: AsyncGenerator[LogEntry, None]) -> None:
        try:
            async with aclosing(entries):
                async for entry in entries:
                    await self._room()
                    self._bytes += _size(entry)
                    await self._queue.put(entry)
        except InstancesError as error:
            self.failure = error
        except Exception:
            logger.exception("a log could not be read")
            self.failure = BackendFailed("the log could not be read")
        await self._queue.put(None)

    async def _room(self) -> None:
        while self._bytes >= AHEAD_BYTES:
            self._has_room.clear()
            await self._has_room.wait()


def _size(entry: LogEntry) -> int:
    """In memory, nearly."""
    return getsizeof(entry.message) + getsizeof(entry.level)


def _one_less(reader: str) -> None:
    _open[reader] -= 1
    if not _open[reader]:
        del _open[reader]
