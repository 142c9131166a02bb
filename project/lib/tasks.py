"""Tasks of an event loop that belong to somebody."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any


def end_if_cancelled() -> None:
    """For a task that goes on behind what may have swallowed its cancellation.

    `asyncio.wait_for` of Python 3.11 does, when what it waits for ends at the same moment.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def end_task(task: "asyncio.Future[Any] | None") -> None:
    """Cancel it and return when it has ended.

    Who is cancelled meanwhile ends as well: their own cancellation is not taken for the task's.
    """
    if task is None:
        return
    me = asyncio.current_task()
    assert me is not None  # this is a coroutine
    before = me.cancelling()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    if me.cancelling() > before:
        raise asyncio.CancelledError


@asynccontextmanager
async def meanwhile(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """`work` goes on while the block runs. Leaving cancels it, or raises what ended it before."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        await end_task(task)
