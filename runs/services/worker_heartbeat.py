"""Whether Celery workers live: each says so every two seconds, over the cache that all share."""

from django.core.cache import cache

#: After this long without a beat of any worker there is none.
SILENCE_SECONDS = 15

_ALIVE, _SEEN = "workers:alive", "workers:seen"


def beat() -> None:
    """A worker lives. The cache forgets it by itself, so that no two clocks are compared."""
    cache.set(_ALIVE, 1, timeout=SILENCE_SECONDS)
    cache.set(_SEEN, 1, timeout=None)


def is_any_alive() -> bool:
    return cache.get(_ALIVE) is not None


def was_any_seen() -> bool:
    """Whether there has been a worker, ever."""
    return cache.get(_SEEN) is not None
