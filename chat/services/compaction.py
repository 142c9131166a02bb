"""Summing up what a conversation has no room for any more.

A model does that, in a run of its own, before the message that brought it about is taken up: what
was dropped is the goal of that run, what came of it stands first in the history, and what it cost
is counted like any other run. One that fails holds nobody up; then what was dropped is missing.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from accounts.principals import Principal
from chat.live_settings import current
from chat.live_settings.groups import Compaction, General
from chat.models import Exchange, Session
from chat.services.history import Opening
from chat.services.transcripts import cut, text_of
from runs.models import Run
from runs.services.starting import StartRequest, start_run

COMPACT_GRAPH = "compact"
TRIGGER_SOURCE = "compaction"

_HEADING = "[Summary of the conversation before this point]"
_CHARS_PER_TOKEN = 3
#: Of a text and of a tool's result, as the summing model gets them.
_TEXT_BYTES, _RESULT_BYTES = 8_000, 1_000


@dataclass(frozen=True, slots=True)
class Compacted:
    """A history that fits, and what the metadata of its run says of the rest."""

    messages: list[dict[str, Any]]
    facts: dict[str, str] = field(default_factory=dict)


def compacted(exchange: Exchange, opening: Opening) -> Compacted | None:
    """The history of the run that takes up `exchange`; `None` before it has been summed up."""
    if not opening.dropped:
        return Compacted(opening.messages)
    done = _compaction_for(exchange)
    if done is None:
        return None
    run = Run.objects.filter(pk=done.run_id, status=Run.Status.DONE).first()
    summary = run.final_text.strip() if run is not None else ""
    facts = {"messages_dropped": str(len(opening.dropped)), "compaction_run": done.run_id}
    if not summary:
        return Compacted(opening.messages, facts)
    room = current(Compaction).summary_max_tokens * _CHARS_PER_TOKEN
    first = {"role": "user", "text": f"{_HEADING}\n{summary[:room]}"}
    return Compacted([first, *opening.messages], facts)


def begin_compaction(
    session: Session, exchange: Exchange, dropped: Sequence[dict[str, Any]], caller: Principal
) -> None:
    """Have it summed up; `exchange` waits for that. Raises what `start_run` raises."""
    general, settings = current(General), current(Compaction)
    main = exchange.model or (general.models[0] if general.models else "")
    started = start_run(
        StartRequest(
            goal=_quoted(dropped, 2 * settings.context_budget * _CHARS_PER_TOKEN),
            graph_id=COMPACT_GRAPH,
            model=general.compaction_model or main,
            inputs={"options": {"params": {"max_tokens": settings.summary_max_tokens}}},
            metadata={"session_id": session.pk, "messages": str(len(dropped))},
            trigger_source=TRIGGER_SOURCE,
        ),
        actor=caller.actor,
        user_id=caller.user_id,
        granted=caller.capabilities,
    )
    session.exchanges.create(
        kind=Exchange.Kind.COMPACTION,
        status=Exchange.Status.RUNNING,
        text=json.dumps({"for": exchange.pk, "dropped": len(dropped)}),
        trigger_source=TRIGGER_SOURCE,
        user_id=exchange.user_id,
        actor=exchange.actor,
        granted=exchange.granted,
        api_key_id=exchange.api_key_id,
        run_id=started.run_id,
    )


def _compaction_for(exchange: Exchange) -> Exchange | None:
    newest = (
        Exchange.objects.filter(session=exchange.session_id, kind=Exchange.Kind.COMPACTION)
        .order_by("-id")
        .first()
    )
    if newest is None or json.loads(newest.text)["for"] != exchange.pk:
        return None
    return newest


def _quoted(messages: Iterable[dict[str, Any]], room: int) -> str:
    """As text; what was said never begins a line.

    Of more than `room` characters the first entry is kept, an earlier summary perhaps, and the
    newest ones.
    """
    first, *others = _entries(messages)
    room -= len(first)
    kept: list[str] = []
    for entry in reversed(others):
        room -= len(entry)
        if room < 0:
            break
        kept.append(entry)
    return "\n".join([first, *reversed(kept)])


def _entries(messages: Iterable[dict[str, Any]]) -> list[str]:
    lines: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            result = cut(text_of(message.get("result")), _RESULT_BYTES)
            lines.append(_line(f"result of {message.get('tool') or 'a tool'}", result))
            continue
        if message.get("text"):
            lines.append(_line(message["role"], cut(message["text"], _TEXT_BYTES)))
        for use in message.get("tool_uses", ()):
            lines.append(_line("call", f"{use['tool']} {cut(text_of(use['args']), _RESULT_BYTES)}"))
    return lines or ["(nothing was said)"]


def _line(who: str, text: str) -> str:
    indented = text.replace("\n", "\n    ")
    return f"{who}: {indented}"
