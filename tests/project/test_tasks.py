"""Tasks that end with what they belong to."""

import asyncio
from contextlib import suppress

import pytest

from project.lib.tasks import end_task


async def test_who_is_cancelled_while_they_end_a_task_ends_as_well():
    may_end = asyncio.Event()

    async def slow_to_end() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            with suppress(asyncio.CancelledError):
                await may_end.wait()

    inner = asyncio.create_task(slow_to_end())
    await asyncio.sleep(0)

    async def serve() -> None:
        while True:
            await end_task(inner)
            await asyncio.sleep(3600)

    outer = asyncio.create_task(serve())
    await asyncio.sleep(0)

    outer.cancel()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(30):
            await outer
    assert outer.cancelled()


async def test_ending_a_task_of_ones_own_does_not_cancel_oneself():
    task = asyncio.create_task(asyncio.sleep(3600))

    await end_task(task)

    assert task.cancelled()
