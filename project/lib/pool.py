"""Database work for coroutines: a few long-lived threads whose connections live as long."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import close_old_connections

ResultT = TypeVar("ResultT")

#: SQLite has one writer and fast readers, Postgres a round trip to wait for: four suit both.
THREADS = 4

_pool = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="database")


async def in_database_thread(fn: Callable[..., ResultT], *args: Any, **kwargs: Any) -> ResultT:
    """Run one whole database operation off the event loop. Not for work that waits for others."""

    def call() -> ResultT:
        close_old_connections()  # keeps healthy ones: CONN_MAX_AGE is unlimited
        return fn(*args, **kwargs)

    return await asyncio.get_running_loop().run_in_executor(_pool, call)
