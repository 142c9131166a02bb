"""A transcript as the page shows it: texts, and cards of tool calls with what came of them."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from chat.models import Exchange, Message, Session
from chat.services.history import newest_answering
from runs.models import Run

INPUT_CHARS = 4_000  # of a tool's arguments


@dataclass(slots=True)
class Item:
    """One piece of a conversation. `kind` is user, assistant or tool; `text` is Markdown."""

    kind: str
    text: str = ""
    tool: str = ""
    call_id: str = ""
    input: str = ""  # JSON
    result: str | None = None  # of a tool; `None` while there is none
    is_error: bool = False


def items_of(rows: Iterable[Message]) -> list[Item]:
    """Calls and their results are one item, where the call stands."""
    items: list[Item] = []
    calls: dict[str, Item] = {}
    for row in rows:
        if row.role in (Message.Role.USER, Message.Role.ASSISTANT):
            items.append(Item(row.role, row.content))
            continue
        said = _decoded(row.content)
        if row.role == Message.Role.TOOL_USE:
            shown = json.dumps(said.get("input"), ensure_ascii=False, indent=2)[:INPUT_CHARS]
            item = Item("tool", tool=said.get("name", ""), call_id=said.get("id", ""), input=shown)
            calls[item.call_id] = item
            items.append(item)
        elif (call := calls.get(said.get("tool_use_id", ""))) is not None:
            call.result, call.is_error = said.get("content", ""), bool(said.get("is_error"))
    return items


@dataclass(frozen=True, slots=True)
class UnderWay:
    """The run that works for a session now; the page goes on with its frames after `seq`."""

    run_id: str
    seq: int
    is_awaiting_input: bool


def under_way(session: Session) -> UnderWay | None:
    exchange = newest_answering(session)
    if exchange is None:
        return None
    run = Run.objects.filter(pk=exchange.run_id).first()
    if run is None or run.is_finished:
        return None
    is_asking = run.status == Run.Status.AWAITING_INPUT
    if exchange.status != Exchange.Status.RUNNING and not is_asking:
        return None
    return UnderWay(run.pk, run.head_seq, is_asking)


def grouped(
    sessions: Iterable[Session], now: datetime, zone: tzinfo
) -> list[tuple[str, list[Session]]]:
    """Unread sessions first, then by day: Today, Yesterday, Last 7 days, Older."""
    today = now.astimezone(zone).date()
    groups: dict[str, list[Session]] = {
        name: [] for name in ("Unread", "Today", "Yesterday", "Last 7 days", "Older")
    }
    for session in sessions:
        day = session.last_message_at.astimezone(zone).date()
        if not session.is_read:
            name = "Unread"
        elif day >= today:
            name = "Today"
        elif day == today - timedelta(days=1):
            name = "Yesterday"
        else:
            name = "Last 7 days" if day > today - timedelta(days=7) else "Older"
        groups[name].append(session)
    return [(name, found) for name, found in groups.items() if found]


def _decoded(content: str) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
