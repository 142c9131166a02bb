"""Where requests are counted: in this process, or in a Redis that several processes share."""

import logging
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

import redis
from django.conf import settings
from limits.storage import MemoryStorage, RedisStorage
from redis.backoff import NoBackoff
from redis.retry import Retry

from accounts.rate_limits.bucket import TAKE_IN_REDIS, take

logger = logging.getLogger(__name__)

MEMORY = "memory"  # the RATELIMIT_STORE that is no address

_TIMEOUT_SECONDS = 0.5  # a request waits no longer than this to be counted
_SILENCE_SECONDS = 5.0  # how long a Redis that failed is not asked again
_COMPLAINT_SECONDS = 60.0
_MANY_BUCKETS = 1_000  # from here on, full ones are dropped before another is added


class Store(Protocol):
    """Every answer can be `None`: the store cannot be reached, and nobody should suffer for it."""

    def count(self, key: str, seconds: int) -> int | None:
        """Count one more, to be forgotten no earlier than after `seconds`. How many there are."""

    def look(self, key: str) -> int | None:
        """How many were counted."""

    def take_token(self, key: str, *, capacity: int, interval: int) -> int | None:
        """0, or the microseconds until there is a token; one comes back every `interval`."""


def current_store() -> Store:
    return _store(settings.RATELIMIT_STORE, settings.STARPORT_REDIS_PREFIX)


def forget() -> None:
    """Forget what this process counted."""
    _store.cache_clear()


@lru_cache(maxsize=4)
def _store(address: str, prefix: str) -> Store:
    return InMemory() if address == MEMORY else InRedis(address, f"{prefix}:quotas")


class InMemory:
    """Counts for one process."""

    def __init__(self) -> None:
        self._counters = MemoryStorage()
        self._full_at: dict[str, int] = {}  # of buckets that are not full, in microseconds
        # A counter's first two threads could lose one of their requests between them.
        self._lock = threading.Lock()

    def count(self, key: str, seconds: int) -> int:
        with self._lock:
            return self._counters.incr(key, seconds)

    def look(self, key: str) -> int:
        with self._lock:
            return self._counters.get(key)

    def take_token(self, key: str, *, capacity: int, interval: int) -> int:
        now = time.monotonic_ns() // 1_000
        with self._lock:
            if len(self._full_at) >= _MANY_BUCKETS:
                self._full_at = {k: at for k, at in self._full_at.items() if at > now}
            full_at = self._full_at.get(key, now)
            self._full_at[key], wait = take(full_at, now, capacity=capacity, interval=interval)
        return wait


class InRedis:
    """Counts for every process that names the same Redis and prefix."""

    def __init__(self, address: str, prefix: str) -> None:
        self._counters = RedisStorage(
            address,
            key_prefix=prefix,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),  # type: ignore[arg-type] # handed on to redis-py
        )
        self._take_token = self._counters.get_connection().register_script(TAKE_IN_REDIS.encode())
        self._silent_until = self._complained_at = float("-inf")  # by the monotonic clock

    def count(self, key: str, seconds: int) -> int | None:
        return self._ask(lambda: self._counters.incr(key, seconds))

    def look(self, key: str) -> int | None:
        return self._ask(lambda: self._counters.get(key))

    def take_token(self, key: str, *, capacity: int, interval: int) -> int | None:
        keys, arguments = [self._counters.prefixed_key(key)], [capacity, interval]
        return self._ask(lambda: int(self._take_token(keys=keys, args=arguments)))

    def _ask(self, question: Callable[[], int]) -> int | None:
        if time.monotonic() < self._silent_until:
            return None
        try:
            return question()
        except redis.RedisError:
            self._note_silence()
            return None

    def _note_silence(self) -> None:
        now = time.monotonic()
        self._silent_until = now + _SILENCE_SECONDS
        if now - self._complained_at >= _COMPLAINT_SECONDS:
            self._complained_at = now
            logger.warning("the store of rate limits does not answer: nobody is limited")
