"""Items of a list that cannot be read: they are left out of it, and the log says so.

Once per process for each change of what is wrong, however many clients read the same list.
"""

import logging
import threading
from collections.abc import Sequence

from instances import metrics

logger = logging.getLogger(__name__)

NAMED_IN_LOG = 5

_told: dict[str, tuple[str, ...]] = {}  # complaints by backend
_lock = threading.Lock()


def tell_of_unreadable(backend: str, complaints: Sequence[str]) -> None:
    """`complaints`: one for each item of the last list that was left out."""
    metrics.unreadable.set(len(complaints))
    latest = tuple(sorted(complaints))
    with _lock:
        before = _told.get(backend, ())
        _told[backend] = latest
    if latest == before:
        return
    if latest:
        facts = {"count": len(latest), "reasons": sorted(set(latest))[:NAMED_IN_LOG]}
        logger.warning("instances of the list cannot be read and are left out", extra=facts)
    else:
        logger.info("all instances of the list can be read again")
