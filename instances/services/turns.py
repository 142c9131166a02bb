"""How many requests to the backend may be under way for callers from outside, in this process.

Each holds a connection for as long as the backend takes, so a backend that hangs must not gather so
many that none is left for anything else. One caller gets a part of them, whoever else asks.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from instances.errors import BackendBusy

MOST = 128
OF_ONE_CALLER = 32
RETRY_SECONDS = 1

_under_way: Counter[str] = Counter()  # by caller; on the event loop alone


@contextmanager
def turn_of(caller: str) -> Iterator[None]:
    """Raises `BackendBusy` when there are as many as there may be."""
    if _under_way[caller] >= OF_ONE_CALLER or _under_way.total() >= MOST:
        words = "too many requests wait for the backend already; try again in a moment"
        raise BackendBusy(words, retry_after=RETRY_SECONDS)
    _under_way[caller] += 1
    try:
        yield
    finally:
        _under_way[caller] -= 1
        if not _under_way[caller]:
            del _under_way[caller]
