"""What a run is told of the conversation before it.

The newest run of the session knows everything that was said: its log folds into the messages it
held at its end, tool calls and results included. Only where that log is gone does the transcript
have to do.
"""

from dataclasses import dataclass, field
from typing import Any

from chat.live_settings import current
from chat.live_settings.groups import Compaction
from chat.models import Exchange, Message, Session
from runs.errors import RunsError
from runs.log.codec import to_log_value
from runs.models import Run
from runs.services.checkpoints import conversation_of

#: Characters that the estimate takes for one token.
_CHARS_PER_TOKEN = 3


#: What of the room is kept when a conversation outgrows it, so that this stays rare.
KEPT_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Opening:
    """The messages before a prompt, and those that have to go for want of room."""

    messages: list[dict[str, Any]]
    dropped: list[dict[str, Any]] = field(default_factory=list)


def opening_of(session: Session, prompt: str) -> Opening:
    """What was said in a session, the oldest apart when it outgrows `context_budget`.

    `prompt` follows it: where a run took it in and ended before its model could, it is said once.
    """
    messages = _said(session)
    if messages and messages[-1]["role"] == "user" and messages[-1]["text"] == prompt:
        messages = messages[:-1]
    settings = current(Compaction)
    if sum(map(_tokens, messages)) <= settings.context_budget:
        return Opening(messages)
    room = int(settings.context_budget * KEPT_SHARE)
    kept = fitting(messages, room, settings.min_keep_messages)
    return Opening(kept, messages[: len(messages) - len(kept)])


def fitting(
    messages: list[dict[str, Any]], budget_tokens: int, min_messages: int
) -> list[dict[str, Any]]:
    """The newest messages that fit, beginning with a user's: no call is cut from its result."""
    start, size = len(messages), 0
    for index in range(len(messages) - 1, -1, -1):
        size += _tokens(messages[index])
        kept = len(messages) - start
        if size > budget_tokens and kept >= min_messages:
            break
        if messages[index]["role"] == "user":
            start = index
    return messages[start:]


def newest_answering(session: Session) -> Exchange | None:
    """The last exchange that a run of the conversation was started or woken for."""
    answering = session.exchanges.exclude(run_id="").exclude(kind=Exchange.Kind.COMPACTION)
    return answering.order_by("-id").first()


def _tokens(message: dict[str, Any]) -> int:
    return len(str(message)) // _CHARS_PER_TOKEN


def _said(session: Session) -> list[dict[str, Any]]:
    last = newest_answering(session)
    run = Run.objects.filter(pk=last.run_id).first() if last is not None else None
    if run is not None:
        try:
            known = conversation_of(run)
        except RunsError:  # its graph or a payload is gone
            known = None
        if known is not None:
            return _as_values(_answered(known))
    return _from_transcript(session)


def _answered(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without calls at the end that never got a result: the run was cut off there."""
    open_calls: dict[str, int] = {}
    for index, message in enumerate(messages):
        for use in message.get("tool_uses", ()):
            open_calls[use["call_id"]] = index
        if message["role"] == "tool":
            open_calls.pop(message["call_id"], None)
    return messages[: min(open_calls.values())] if open_calls else messages


def _as_values(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    values: list[dict[str, Any]] = to_log_value(messages)
    return values


def _from_transcript(session: Session) -> list[dict[str, Any]]:
    rows = session.messages.filter(role__in=[Message.Role.USER, Message.Role.ASSISTANT])
    waiting = Exchange.objects.filter(session=session, status=Exchange.Status.WAITING)
    said = rows.exclude(exchange__in=waiting).order_by("id")
    return [{"role": role, "text": text} for role, text in said.values_list("role", "content")]
