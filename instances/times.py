"""Times as backends and programs write them: Unix seconds, finer units, or RFC 3339."""

import math
from datetime import UTC, datetime
from typing import Any

_LAST_SECOND = 253_402_300_799  # of the year 9999; a larger number counts in a finer unit


def read_time(value: Any) -> int | None:
    """Unix seconds; `None` for what is no time. A text without an offset is UTC."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return _whole_seconds(value)
    return _read_text(value) if isinstance(value, str) else None


def _whole_seconds(value: float) -> int | None:
    if not math.isfinite(value) or value < 0:
        return None
    seconds = int(value)
    while seconds > _LAST_SECOND:
        seconds //= 1000
    return seconds


def _read_text(text: str) -> int | None:
    if "-" not in text:  # `20260320` would be read as a date
        return None
    try:
        moment = datetime.fromisoformat(text.strip().replace(",", "."))
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0, int(moment.timestamp()))
