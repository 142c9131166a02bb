"""Values of options that argparse has no type for."""

import argparse
import re
from datetime import UTC, datetime, timedelta

_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:h|m|s))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(h|m|s)")
_UNITS = {"h": "hours", "m": "minutes", "s": "seconds"}
_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)
# What Unix nanoseconds in 64 bits can say.
_FIRST, _LAST = datetime(1677, 9, 22, tzinfo=UTC), datetime(2262, 4, 11, tzinfo=UTC)


def duration(text: str) -> timedelta:
    """`720h`, `1h30m`, `45s`. Days are refused: the contract has hours, minutes and seconds."""
    if not _DURATION.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 720h, 90m or 1h30m")
    try:
        return sum(
            (timedelta(**{_UNITS[unit]: float(number)}) for number, unit in _PART.findall(text)),
            timedelta(),
        )
    except OverflowError:
        raise argparse.ArgumentTypeError(f"{text!r} is too long") from None


def moment(text: str) -> datetime:
    """An RFC 3339 time, with its zone."""
    try:
        if not _RFC3339.fullmatch(text):
            raise ValueError
        return datetime.fromisoformat(text.upper())
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an RFC 3339 time such as 2026-01-31T00:00:00Z"
        ) from None


def is_storable(time: datetime) -> bool:
    """Whether the log could hold an event of that time."""
    return _FIRST <= time <= _LAST
