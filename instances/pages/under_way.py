"""What pages have begun, on an event loop of its own in a thread: it goes on when nobody waits.

A command that is cut in half leaves an instance that was told to end, and is neither ended nor
begun anew.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from instances.errors import BackendBusy, BackendTimedOut, InstancesError

logger = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")

GOES_ON = "it takes longer than a page waits, and goes on"
_STOPPING = "this server is stopping"
_LAST_SECONDS = 1.0  # for what was held up by instances that have stopped now

_changing = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_is_over = False
_tasks: set[asyncio.Task[Any]] = set()  # the loop itself would not keep them


def run(work: Callable[[], Coroutine[Any, Any, ResultT]]) -> ResultT:
    """Wait for it in this thread, which is not the loop's."""
    loop = _running_loop()
    try:
        return asyncio.run_coroutine_threadsafe(work(), loop).result()
    except CancelledError:
        raise BackendBusy(_STOPPING) from None


async def in_time(work: Coroutine[Any, Any, ResultT], seconds: float) -> ResultT:
    """What comes of it. Raises `BackendTimedOut` when it takes longer; it goes on all the same."""
    task = asyncio.create_task(work)
    _tasks.add(task)
    task.add_done_callback(_put_away)
    await asyncio.wait({task}, timeout=seconds)
    if not task.done():
        raise BackendTimedOut(GOES_ON)
    return task.result()


def interrupt() -> None:
    """Begin nothing more in this process, and end what does not end now. That is put on record."""
    global _is_over
    with _changing:
        _is_over, loop = True, _loop
    if loop is not None:
        asyncio.run_coroutine_threadsafe(_end_all(), loop).result()


def _running_loop() -> asyncio.AbstractEventLoop:
    global _loop
    with _changing:
        if _is_over:
            raise BackendBusy(_STOPPING)
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="page commands", daemon=True).start()
        return _loop


def _put_away(task: asyncio.Task[Any]) -> None:
    _tasks.discard(task)
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, InstancesError):
        logger.error("a command of a page failed", exc_info=error)


async def _end_all() -> None:
    if _tasks:
        await asyncio.wait(_tasks, timeout=_LAST_SECONDS)
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
