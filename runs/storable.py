"""What JSON, YAML or a program can carry and a log cannot keep; the door refuses it."""

import json
import math
import re
from typing import Any

import orjson

NUL = "\x00"  # PostgreSQL's text cannot hold it

#: How deep a body may be nested, whatever it is for: answers that echo it must be encodable.
MAX_BODY_LEVELS = 32
#: How deep a value may be that goes into a log: 32 levels are what a log holds, and events wrap
#: values into some of their own.
MAX_VALUE_LEVELS = 24

TOO_DEEP = "nested too deeply"
TOO_LONG = "integers must fit into 64 bits"
_INTEGERS = range(-(2**63), 2**63)
#: As many digits as the longest of them has.
_LONG_NUMBER = re.compile(rb"[0-9]{19}")

Place = tuple[str | int, ...]


class Unstorable(ValueError):
    """A body that nothing could be made of. `place` is the way to what is wrong with it."""

    def __init__(self, message: str, place: Place = ()) -> None:
        super().__init__(message)
        self.place = place


def read_json(raw: bytes) -> Any:
    """The value of a body. Raises `orjson.JSONDecodeError`, or `Unstorable`."""
    value = orjson.loads(raw)
    if is_too_deep(value, MAX_BODY_LEVELS):
        raise Unstorable(TOO_DEEP)
    if _LONG_NUMBER.search(raw) is None:
        return value
    # orjson makes a float of an integer that is too long, and nobody would ever know.
    exact = json.loads(raw, parse_int=_whole)
    place = _place_of_long_integer(exact)
    if place is not None:
        raise Unstorable(TOO_LONG, place)
    return value


def _whole(literal: str) -> int:
    return int(literal[:21])  # whatever has more digits is too long by these already


def _place_of_long_integer(value: Any) -> Place | None:
    waiting: list[tuple[Place, Any]] = [((), value)]
    while waiting:
        place, item = waiting.pop()
        if isinstance(item, dict):
            waiting += [((*place, name), inner) for name, inner in item.items()]
        elif isinstance(item, list):
            waiting += [((*place, index), inner) for index, inner in enumerate(item)]
        elif type(item) is int and item not in _INTEGERS:
            return place
    return None


def complaint_about(value: Any) -> str:
    """Why a value cannot be part of a log as it is; empty when it can.

    A log would change the rest or fail the run: what the door lets in is what is recorded.
    """
    if is_too_deep(value, MAX_VALUE_LEVELS):
        return TOO_DEEP
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting += item.keys()
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
        elif complaint := _complaint_about_scalar(item):
            return complaint
    return ""


def _complaint_about_scalar(item: Any) -> str:
    if isinstance(item, str):
        if NUL in item:
            return "must not contain NUL characters"
        return "" if item.isascii() or _is_unicode(item) else "must not contain lone surrogates"
    if isinstance(item, float):
        return "" if math.isfinite(item) else "numbers must be finite"
    return TOO_LONG if isinstance(item, int) and item not in _INTEGERS else ""


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_too_deep(value: Any, levels: int) -> bool:
    """Whether objects and lists lie in each other more than `levels` times."""
    containers = [value] if isinstance(value, (dict, list)) else []
    for _ in range(levels):
        containers = [
            item
            for container in containers
            for item in (container.values() if isinstance(container, dict) else container)
            if isinstance(item, (dict, list))
        ]
        if not containers:
            return False
    return True
