"""What it costs to keep something waiting in memory, at the least: an asyncio task on a future."""

import asyncio
import os

from bench.core.background import resident_kib


def measure(*, tasks: int) -> float:
    """KiB of resident memory per task."""
    return asyncio.run(_measure(tasks))


async def _measure(count: int) -> float:
    await asyncio.sleep(0)
    before = resident_kib(os.getpid())
    futures = [asyncio.get_running_loop().create_future() for _ in range(count)]
    tasks = [asyncio.create_task(_wait(future)) for future in futures]
    await asyncio.sleep(0)
    grown = resident_kib(os.getpid()) - before
    for future in futures:
        future.set_result(None)
    await asyncio.gather(*tasks)
    return grown / count


async def _wait(future: "asyncio.Future[None]") -> None:
    await future
