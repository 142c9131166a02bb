"""Run, turn and call ids: ULIDs, 26 characters of upper-case Crockford base32."""

import os
import threading
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# Two characters at a time: ids are minted several times per run, on the hot path.
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]


def new_ulid(now_ms: int | None = None) -> str:
    """A ULID: 48 bits of Unix milliseconds, then 80 bits from the system's CSPRNG.

    Sorts by creation time to the millisecond; within one millisecond the order is random.
    """
    millis = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    value = (millis << 80) | int.from_bytes(_random_bytes(10))
    return "".join([_PAIRS[(value >> shift) & 1023] for shift in range(120, -1, -10)])


# Asking the system for ten bytes costs a system call each time, several times per run.
_REFILL_BYTES = 4096
_lock = threading.Lock()
_pool = b""
_used = 0


def _random_bytes(count: int) -> bytes:
    """Bytes of the system's CSPRNG, each handed out once."""
    global _pool, _used
    with _lock:
        if _used + count > len(_pool):
            _pool, _used = os.urandom(_REFILL_BYTES), 0
        taken = _pool[_used : _used + count]
        _used += count
        return taken


def _forget_pool() -> None:
    """A forked child must not hand out what its parent will."""
    global _pool, _used
    _pool, _used = b"", 0


os.register_at_fork(after_in_child=_forget_pool)
