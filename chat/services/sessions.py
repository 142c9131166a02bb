"""Finding the session that a message belongs to, and the marks that people set on sessions."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.principals import Principal
from chat.errors import SessionNotFound
from chat.live_settings import current
from chat.live_settings.groups import Telegram
from chat.models import Session
from chat.models.sessions import NOBODY, owner_of_actor
from chat.services.exporting import export_session
from runs.storable import NUL

TITLE_CHARS = 100
KEY_CHARS = 200
CLOSED_BY_SILENCE = "Auto-closed: inactivity"
#: Owners behind whom no user stands; administrators look after their conversations.
PSEUDO_OWNERS = (NOBODY, "cron", "heartbeat", "boot", "bootstrap")

#: Channels where a conversation ends by silence, with its minutes when nobody set them.
_GAP_MINUTES = {"telegram": 360, "email": 1_440, "slack": 360}
#: Their key when a message brings none; elsewhere each such message opens a session of its own.
_DEFAULT_KEYS = {"email": "unknown@sender"}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a message is said: whose conversation, on which channel, under which key."""

    owner: str
    channel: str
    key: str

    @classmethod
    def of(cls, owner: str, channel_id: str = "", key: str = "") -> "Address":
        """As clients name it: unknown channels are `main`, a missing key is chosen."""
        channel = channel_id if channel_id in _GAP_MINUTES else "main"
        if not key:
            has_gap = channel in _GAP_MINUTES
            key = _DEFAULT_KEYS.get(channel, owner) if has_gap else str(uuid.uuid4())
        return cls(owner, channel, key[:KEY_CHARS])


def owner_of(principal: Principal, claimed: str = "") -> str:
    """Whose conversation a caller leads; `claimed` counts only where nobody can prove anything."""
    if principal.user_id is not None:
        return principal.user_id
    if principal.provider == "open" and claimed:
        return claimed[:100]
    return owner_of_actor(principal.actor)


def open_session(address: Address, *, triggered_by: str = "") -> Session:
    """The open session at that address, locked; a new one when there is none.

    Call it in a transaction. A conversation that was silent for too long is closed first.
    """
    now = timezone.now()
    session = open_session_at(address)
    if session is not None and _has_gone_silent(session, now):
        close_session(session, CLOSED_BY_SILENCE)
        export_session(session)
        session = None
    if session is not None:
        return session
    try:
        with transaction.atomic():
            return Session.objects.create(
                owner=address.owner,
                channel=address.channel,
                key=address.key,
                triggered_by=triggered_by,
                last_message_at=now,
            )
    except IntegrityError:  # session_open_once: somebody else's first message came first
        found = open_session_at(address)
        if found is None:
            raise
        return found


def close_session(session: Session, summary: str) -> None:
    """End a conversation: the next message at its address opens another one."""
    session.is_closed = True
    session.summary = summary
    session.save(update_fields=["is_closed", "summary"])


def list_sessions(caller: Principal, limit: int) -> list[Session]:
    """The newest of those that the caller may see and nobody archived."""
    # The system prompt is long, and no list shows it.
    return list(Session.objects.visible_to(caller).listed().defer("context")[:limit])


def find_session(caller: Principal, session_id: str) -> Session:
    """Raises `SessionNotFound` for one that is not there, or not for this caller to see."""
    # PostgreSQL takes no NUL, and no id has one.
    visible = Session.objects.visible_to(caller)
    session = None if NUL in session_id else visible.filter(pk=session_id).first()
    if session is None:
        raise SessionNotFound
    return session


def mark_read(caller: Principal, session_id: str, *, is_read: bool) -> None:
    _mark(caller, session_id, is_read=is_read)


def archive_session(caller: Principal, session_id: str, *, is_archived: bool) -> None:
    _mark(caller, session_id, is_archived=is_archived)


def title_of(text: str) -> str:
    """A session is called by what was said first."""
    line = " ".join(text.split())
    return line if len(line) <= TITLE_CHARS else f"{line[:TITLE_CHARS]}..."


def _mark(caller: Principal, session_id: str, **marks: bool) -> None:
    find_session(caller, session_id)
    Session.objects.filter(pk=session_id).update(**marks)


def open_session_at(address: Address) -> Session | None:
    """Locked until the caller's transaction ends."""
    return (
        Session.objects.select_for_update()
        .filter(owner=address.owner, channel=address.channel, key=address.key, is_closed=False)
        .first()
    )


def _has_gone_silent(session: Session, now: datetime) -> bool:
    if session.channel not in _GAP_MINUTES:
        return False
    minutes = _GAP_MINUTES[session.channel]
    if session.channel == "telegram":
        minutes = current(Telegram).gap_minutes
    return now - session.last_message_at >= timedelta(minutes=minutes)
