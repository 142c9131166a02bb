"""Telling those who wait for an answer that its exchange has begun, or is settled.

The row is the only full copy: who waits reads it again when told, and every second in any case,
since another process may have begun it.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

#: Seconds until a waiting exchange is looked at although nobody told.
REREAD_SECONDS = 1.0

_lock = threading.Lock()
_waiting: dict[int, list[tuple[asyncio.AbstractEventLoop, asyncio.Event]]] = {}


def exchange_changed(exchange_id: int) -> None:
    """Acts after commit, from any thread."""
    transaction.on_commit(lambda: _tell(exchange_id))


@contextmanager
def watching(exchange_id: int) -> Iterator[asyncio.Event]:
    """An event that is set when the exchange changes. Use from an event loop."""
    entry = (asyncio.get_running_loop(), asyncio.Event())
    with _lock:
        _waiting.setdefault(exchange_id, []).append(entry)
    try:
        yield entry[1]
    finally:
        with _lock:
            _waiting[exchange_id].remove(entry)
            if not _waiting[exchange_id]:
                del _waiting[exchange_id]


def _tell(exchange_id: int) -> None:
    with _lock:
        entries = list(_waiting.get(exchange_id, ()))
    for loop, event in entries:
        if not loop.is_closed():
            loop.call_soon_threadsafe(event.set)
