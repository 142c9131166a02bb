"""What operators change about the monitor while it runs. An app above keeps it and provides it."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MonitorSettings:
    poll_seconds: int = 30  # from one look at all instances to the next
    heartbeat_timeout: int = 90  # seconds; what is older is stale
    auto_restart: bool = True
    restarts_per_hour: int = 3  # of one instance; after as many the monitor gives up on it
    keep_samples_hours: int = 72


#: Called in a thread that may use the database, about once a second.
Read = Callable[[], MonitorSettings]

_read: Read = MonitorSettings


def provide(read: Read) -> None:
    """Called once, when the program is put together."""
    global _read
    _read = read


def read() -> MonitorSettings:
    """As they are now."""
    return _read()
