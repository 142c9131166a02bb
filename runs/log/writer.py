"""Group commit: one thread per process makes the appends of all running runs durable.

A commit is the dearest thing a run does, so appends that arrive while one is under way share the
next. An append that cannot be committed (its lease is lost) fails alone.
"""

import asyncio
import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import DatabaseError, InterfaceError, connection

from project.lib.db import write_transaction
from runs import metrics
from runs.errors import LeaseLost
from runs.event_types import KIND_NAMES
from runs.log.append import Staged, commit
from runs.log.events import StoredEvent

logger = logging.getLogger(__name__)

MAX_BATCH = 256  # appends per transaction: bounds how long a neighbour can wait
RETRIES = 5  # of a whole batch when the database refuses for reasons of its own (locked, restarted)
RETRY_SECONDS = 0.05  # doubled each time


@dataclass(slots=True)
class _Request:
    staged: Staged
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[None]"


class GroupCommitWriter:
    """Thread-safe. `append` may be awaited from any event loop of the process."""

    def __init__(self) -> None:
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
        self._is_closed = False

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Commit what is queued and stop the thread."""
        if not self._is_closed:
            self._is_closed = True
            self._requests.put(None)
            self._thread.join()

    async def append(self, staged: Staged) -> tuple[StoredEvent, ...]:
        """Return once the events are durable.

        A cancelled caller does not un-write the append, it only stops waiting for it.
        Raises `LeaseLost`, or `DatabaseError` when the database refused every try.
        """
        await self.submit(staged)
        return staged.events

    def submit(self, staged: Staged) -> "asyncio.Future[None]":
        """Hand over an append; the future is done once it is durable, or has failed."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._requests.put(_Request(staged, loop, future))
        return future

    def _run(self) -> None:
        held: _Request | None = None  # the second append of a run that is in the batch already
        while True:
            first = held or self._requests.get()
            held = None
            if first is None:
                break
            batch, runs = [first], {first.staged.run_id}
            while len(batch) < MAX_BATCH:
                try:
                    more = self._requests.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    self._requests.put(None)
                    break
                if more.staged.run_id in runs:
                    held = more  # its fence holds only once the first one is in
                    break
                runs.add(more.staged.run_id)
                batch.append(more)
            self._commit(batch)
        connection.close()

    def _commit(self, batch: list[_Request]) -> None:
        started = time.perf_counter()
        error = _try_commit([request.staged for request in batch])
        if error is None:
            _observe(batch, time.perf_counter() - started, "ok")
            _resolve([(request, None) for request in batch])
            return
        if len(batch) == 1:
            _observe(batch, time.perf_counter() - started, "error")
            _resolve([(batch[0], error)])
            return
        # Somebody in the batch is at fault; find out who by committing one by one.
        for request in batch:
            self._commit([request])


def _try_commit(staged: Sequence[Staged]) -> Exception | None:
    """`None` when committed. `LeaseLost` is final; database trouble is tried again."""
    for attempt in range(RETRIES):
        try:
            with write_transaction():
                commit(staged)
        except LeaseLost as error:
            return error
        except (DatabaseError, InterfaceError) as error:
            connection.close_if_unusable_or_obsolete()
            if len(staged) > 1 or attempt == RETRIES - 1:
                return error
            logger.warning("append refused by the database, trying again", exc_info=True)
            time.sleep(RETRY_SECONDS * 2**attempt)
        except Exception as error:
            logger.exception("append failed")
            return error
        else:
            return None
    return None


def _observe(batch: Sequence[_Request], seconds: float, status: str) -> None:
    metrics.append_batch_size.observe(len(batch))
    kinds = Counter(event.kind for request in batch for event in request.staged.events)
    for kind, count in kinds.items():
        metrics.record_appends(KIND_NAMES[kind], status, seconds, count)


def _resolve(outcomes: list[tuple[_Request, Exception | None]]) -> None:
    """Wake the waiting coroutines, with one call into each event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Request, Exception | None]]] = {}
    for outcome in outcomes:
        by_loop.setdefault(outcome[0].loop, []).append(outcome)
    for loop, mine in by_loop.items():
        try:
            loop.call_soon_threadsafe(_set_results, mine)
        except RuntimeError:
            logger.warning("an event loop closed while its appends were committed")


def _set_results(outcomes: list[tuple[_Request, Exception | None]]) -> None:
    for request, error in outcomes:
        if request.future.done():
            continue
        if error is None:
            request.future.set_result(None)
        else:
            request.future.set_exception(error)
