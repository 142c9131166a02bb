"""What JSON can carry and we cannot keep."""

from typing import Any

NUL = "\x00"  # PostgreSQL's text cannot hold it

#: How deep a body may be nested, whatever it is for: answers that echo it must be encodable.
MAX_BODY_LEVELS = 32
#: How deep a value may be that goes into a log: 32 levels are what a log holds, and events wrap
#: values into some of their own.
MAX_VALUE_LEVELS = 24


def complaint_about(value: Any) -> str:
    """Why a JSON value cannot be what a run begins with; empty when it can."""
    if is_too_deep(value, MAX_VALUE_LEVELS):
        return "nested too deeply"
    return "must not contain NUL characters" if has_nul(value) else ""


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


def has_nul(value: Any) -> bool:
    """Whether a NUL character is anywhere in it, names included."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str(text) if NUL in text:
                return True
            case dict(fields):
                waiting += fields.keys()
                waiting += fields.values()
            case list(items):
                waiting += items
    return False
