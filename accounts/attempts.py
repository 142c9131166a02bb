"""Failures per address: after so many wrong credentials a minute the address is told to wait.

Requests without any credential are counted apart, and are never told to wait.
"""

import ipaddress
import logging
import math
import threading
import time
from functools import lru_cache

from django.conf import settings
from limits import RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter

logger = logging.getLogger(__name__)

PER_MINUTE = 30
_QUOTA = RateLimitItemPerMinute(PER_MINUTE)
_NAMESPACE = "wrong-credential"
_MISSING = "missing-credential"
_THROTTLED = "throttled"
_UNPROVEN = "unproven-webhook"

_left_out: dict[tuple[str, str], int] = {}  # namespace, network -> requests beyond its quota
_left_out_lock = threading.Lock()
_MAX_LEFT_OUT = 10_000  # networks; those that come later are not counted


def is_throttled(address: str) -> bool:
    """Whether a further wrong credential from here will be answered with "wait"."""
    return not _limiter().test(_QUOTA, _NAMESPACE, network_of(address))


def count_wrong(address: str) -> bool:
    """Count one wrong credential. False when the quota was used up already."""
    return _limiter().hit(_QUOTA, _NAMESPACE, network_of(address))


def count_missing(address: str) -> int | None:
    """Count one request without any credential. `None` when the quota was used up already.

    Otherwise: how many from there were answered `None` before it, as far as this process knows.
    """
    return _count_recorded(_MISSING, address)


def count_throttled(address: str) -> int | None:
    """`count_missing` for requests that were told to wait."""
    return _count_recorded(_THROTTLED, address)


def _count_recorded(namespace: str, address: str) -> int | None:
    who = (namespace, network_of(address))
    is_within_quota = _limiter().hit(_QUOTA, *who)
    with _left_out_lock:
        if is_within_quota:
            return _left_out.pop(who, 0)
        if who in _left_out or len(_left_out) < _MAX_LEFT_OUT:
            _left_out[who] = _left_out.get(who, 0) + 1
    return None


def count_unproven(address: str, webhook: str) -> bool:
    """Count one request to a webhook without a valid signature. False beyond the quota.

    Anybody can send those at no cost, so what is written down about them has a bound.
    """
    return _limiter().hit(_QUOTA, _UNPROVEN, webhook, network_of(address))


def retry_after(address: str) -> int:
    """Whole seconds, at least one, until this address may be wrong again."""
    window = _limiter().get_window_stats(_QUOTA, _NAMESPACE, network_of(address))
    return max(1, math.ceil(window.reset_time - time.time()))


def forget() -> None:
    """Forget what this process counted."""
    _storage.cache_clear()
    _memory.cache_clear()
    _left_out.clear()


def network_of(address: str) -> str:
    """Who is counted: an IPv4 address, or the /64 of an IPv6 one, which one customer owns whole."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address or "unknown"
    if ip.version == 4:
        return str(ip)
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, 64), strict=False))


def _limiter() -> MovingWindowRateLimiter:
    storage: MemoryStorage | RedisStorage = _storage(settings.REDIS_URL)
    try:
        reachable = not settings.REDIS_URL or storage.check()
    except StorageError:
        reachable = False
    if not reachable:
        logger.warning("Redis does not answer: failures are counted in this process alone")
        storage = _memory()
    return MovingWindowRateLimiter(storage)


@lru_cache(maxsize=4)
def _storage(redis_url: str) -> MemoryStorage | RedisStorage:
    if not redis_url:
        return _memory()
    prefix = f"{settings.STARPORT_REDIS_PREFIX}:limits"
    return RedisStorage(redis_url, wrap_exceptions=True, key_prefix=prefix)


@lru_cache(maxsize=1)
def _memory() -> MemoryStorage:
    return MemoryStorage()
