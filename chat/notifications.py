"""Something is done that somebody may want to know of: told to whoever listens, in any process.

Open sockets and the Telegram bot listen. Between processes it travels as all news does
(`runs.news`): over Redis, and a loss is no harm. Nothing is stored here: what a notification is
about lies in its session, which is marked unread by whoever announces it.
"""

import logging
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from typing import Any

import orjson
from django.db import transaction

from accounts.principals import Principal
from chat.models.sessions import sees_all_sessions
from runs import news

logger = logging.getLogger(__name__)

PREVIEW_BYTES = 500


@dataclass(frozen=True, slots=True)
class Notification:
    """A job is done, say. `owner` is the user whose it is; empty: the assistant's, told to admins.

    With a `capability` it is about what belongs to nobody, and whoever holds that may know.
    """

    owner: str
    job_name: str
    session_id: str  # empty after a failure: clients open what is named here
    result_preview: str  # at most 500 bytes and `...`
    success: bool
    capability: str = ""

    def is_for(self, principal: Principal) -> bool:
        """Its owner may see it, and whoever sees everybody's sessions."""
        if self.capability:
            return principal.can(self.capability)
        return sees_all_sessions(principal) or (
            bool(self.owner) and principal.user_id == self.owner
        )


Listener = Callable[[Notification], None]

TOPIC = "notifications"
#: What this process announces comes back to it over Redis, and was told here already.
_ORIGIN = secrets.token_hex(8)

_listeners: list[Listener] = []
_lock = threading.Lock()


def announce(notification: Notification) -> None:
    """Tell everybody who listens, after commit. Listeners see to who may know."""
    transaction.on_commit(lambda: _tell(notification))


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


def _tell(notification: Notification) -> None:
    tell_here(notification)
    message = {"origin": _ORIGIN, "notification": _sent(notification)}
    news.publish_topic(TOPIC, orjson.dumps(message))


def hear(data: bytes) -> None:
    """What another process announced, which may be of another version."""
    message = orjson.loads(data)
    if message["origin"] != _ORIGIN:
        told = message["notification"]
        tell_here(Notification(**{name: told[name] for name in _FIELDS if name in told}))


_FIELDS = [field.name for field in fields(Notification)]


def _sent(notification: Notification) -> dict[str, Any]:
    """Servers of the version before know no capability, and fail at what they do not know."""
    told = asdict(notification)
    if not notification.capability:
        del told["capability"]
    return told
