"""A number that moves whenever a run begins, ends, or starts or stops waiting in this process.

Whoever remembers a count of runs by status compares it to know that the count is still right.
"""

import itertools

_counter = itertools.count(1)
_current = 0


def note() -> None:
    """Call after the commit: before it, a reader would count the old rows under the new number."""
    global _current
    _current = next(_counter)  # each number is used once, whichever thread assigns last


def current() -> int:
    return _current
