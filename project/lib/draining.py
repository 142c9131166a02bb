"""Whether this process still accepts work. Set once, when it is told to stop."""

import threading

_draining = threading.Event()


def start_draining() -> None:
    _draining.set()


def is_draining() -> bool:
    return _draining.is_set()
