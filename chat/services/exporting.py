"""A conversation as a document of its owner's memory, written when silence has ended it."""

import json
import logging

from chat.errors import ChatError
from chat.live_settings import current
from chat.live_settings.groups import Memory
from chat.memory.documents import MAX_BYTES, write_document
from chat.models import Message, Session
from chat.services.transcripts import transcript_of

logger = logging.getLogger(__name__)

FOLDER = "memory/sessions"
SLUG_CHARS = 50
_HEADING_BYTES = 2_000


def export_session(session: Session) -> None:
    """Write the transcript, if settings ask for it. What cannot be written holds nobody up."""
    if not current(Memory).export_sessions:
        return
    try:
        write_document(
            session.owner, document_name(session), _markdown(session), actor=session.owner
        )
    except ChatError:
        logger.exception("a transcript was not exported", extra={"session_id": session.pk})


def document_name(session: Session) -> str:
    return f"{FOLDER}/{_slug(session.title)}-{session.pk[:8]}.md"


def _slug(title: str) -> str:
    kept = "".join(c if c.isalnum() or c == "-" else "-" for c in title[:SLUG_CHARS])
    lowered = "".join(c.lower() if c.isascii() else c for c in kept)
    return lowered.strip("-") or "session"


def _markdown(session: Session) -> str:
    heading = (
        f"# {session.title or 'Conversation'}\n\n"
        f"On {session.channel}, {session.created_at:%Y-%m-%d %H:%M} to"
        f" {session.last_message_at:%Y-%m-%d %H:%M} UTC, session {session.pk}.\n"
    )
    rows = [_entry(row) for row in transcript_of(session)]
    # Of one that is too long the end is kept: that is where things stood.
    room = MAX_BYTES - _HEADING_BYTES
    kept: list[str] = []
    for row in reversed(rows):
        room -= len(row.encode(errors="replace"))
        if room < 0:
            heading += "\nIts beginning was too long to be kept here.\n"
            break
        kept.append(row)
    return heading + "".join(reversed(kept))


def _entry(row: Message) -> str:
    said = row.content
    if row.role == Message.Role.TOOL_USE:
        call = json.loads(said)
        said = f"{call['name']} {json.dumps(call['input'], ensure_ascii=False)}"
    elif row.role == Message.Role.TOOL_RESULT:
        said = str(json.loads(said)["content"])
    who = row.role.replace("_", " ")
    return f"\n## {who}, {row.timestamp:%Y-%m-%d %H:%M:%S}\n\n{said}\n"
