"""The wall clock, in the units our columns use."""

import time
from datetime import UTC, datetime
from functools import lru_cache


def now_ns() -> int:
    """Unix nanoseconds."""
    return time.time_ns()


def to_rfc3339(ns: int) -> str:
    """Unix nanoseconds as RFC 3339 UTC, all nine digits kept: JSON numbers could not hold them."""
    seconds, fraction = divmod(ns, 1_000_000_000)
    return f"{_to_the_second(seconds)}.{fraction:09d}Z"


@lru_cache(maxsize=4096)  # events of a run, and runs of a page, are formatted over and over
def _to_the_second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def readable_duration(milliseconds: int) -> str:
    """`850 ms`, `12.3 s`, `4 min 05 s`, `2 h 10 min`."""
    seconds = milliseconds / 1000
    if seconds < 1:
        return f"{milliseconds} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return (
        f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
    )
