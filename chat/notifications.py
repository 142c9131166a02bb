"""Something is done that somebody may want to know of: told to whoever listens in this process.

Open sockets and the Telegram bot listen. Nothing is stored here: what a notification is about lies
in its session, which is marked unread by whoever announces it.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import transaction

from accounts.principals import Principal
from chat.models.sessions import sees_all_sessions

logger = logging.getLogger(__name__)

PREVIEW_BYTES = 500


@dataclass(frozen=True, slots=True)
class Notification:
    """A job is done. `owner` is the user whose it is; empty: the assistant's, told to admins."""

    owner: str
    job_name: str
    session_id: str  # empty when it came to none
    result_preview: str  # at most 500 bytes and `...`
    success: bool

    def is_for(self, principal: Principal) -> bool:
        """Its owner may see it, and whoever sees everybody's sessions."""
        return sees_all_sessions(principal) or (
            bool(self.owner) and principal.user_id == self.owner
        )


Listener = Callable[[Notification], None]

_listeners: list[Listener] = []
_lock = threading.Lock()


def announce(notification: Notification) -> None:
    """Tell everybody who listens, after commit. Listeners see to who may know."""
    transaction.on_commit(lambda: tell_here(notification))


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """`listener` is called in whatever thread announces: it hands over and returns."""
    with _lock:
        _listeners.append(listener)
    try:
        yield
    finally:
        with _lock:
            _listeners.remove(listener)


def tell_here(notification: Notification) -> None:
    """Call the listeners of this process."""
    with _lock:
        listeners = list(_listeners)
    for listener in listeners:
        try:
            listener(notification)
        except Exception:
            logger.exception("a listener of notifications failed")
