"""From OpenAI's messages to what a run begins with: system prompt, conversation, goal."""

from dataclasses import dataclass, field
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict

from chat.errors import CompletionRefused

_SYSTEM = ("system", "developer")
_REFUSED_PARTS = {
    "image_url": "images",
    "input_audio": "audio",
    "file": "files",
}


class ToolCallFunction(BaseModel):
    name: str
    arguments: str = "{}"


class ToolCallItem(BaseModel):
    id: str
    function: ToolCallFunction


class MessageItem(BaseModel):
    """One message. `content` is a text, or parts of which only texts are taken."""

    model_config = ConfigDict(extra="ignore")

    role: str
    content: str | list[dict[str, Any]] | None = None
    tool_calls: list[ToolCallItem] | None = None
    tool_call_id: str | None = None


@dataclass(slots=True)
class Conversation:
    """`history` has the maps of `runs.engine.opening`; `goal` is what the user said last."""

    system: str = ""
    history: list[dict[str, Any]] = field(default_factory=list)
    goal: str = ""


def read_conversation(messages: list[MessageItem]) -> Conversation:
    """Raises `CompletionRefused`, which names the message that cannot be taken."""
    found = Conversation()
    systems: list[str] = []
    open_calls: dict[str, str] = {}  # id and tool of calls without a result so far
    for index, message in enumerate(messages):
        place = f"messages[{index}]"
        text = _text_of(message, place)
        if open_calls and message.role != "tool":
            raise _refused(f"the call '{next(iter(open_calls))}' has no result before it", place)
        if message.role in _SYSTEM:
            systems.append(text)
        elif message.role == "user":
            found.history.append({"role": "user", "text": text})
        elif message.role == "assistant":
            open_calls = _add_assistant(found, message, text, place)
        elif message.role == "tool":
            _add_result(found, message, text, place, open_calls)
        else:
            raise _refused(f"the role '{message.role[:50]}' is not known", f"{place}.role")
    if not found.history or found.history[-1]["role"] != "user":
        raise _refused("the last message must be the user's", "messages")
    found.goal = found.history.pop()["text"]
    if not found.goal.strip():
        raise _refused("the user's last message is blank", f"messages[{len(messages) - 1}].content")
    found.system = "\n\n".join(systems)
    return found


def _add_assistant(
    found: Conversation, message: MessageItem, text: str, place: str
) -> dict[str, str]:
    """The calls that wait for their results now."""
    uses, waiting = [], {}
    for at, call in enumerate(message.tool_calls or ()):
        if not call.id or call.id in waiting or not call.function.name:
            raise _refused("a call needs an id of its own and a name", f"{place}.tool_calls[{at}]")
        try:
            args = orjson.loads(call.function.arguments or "{}")
        except orjson.JSONDecodeError:
            raise _refused(
                "the arguments of a call must be JSON",
                f"{place}.tool_calls[{at}].function.arguments",
            ) from None
        waiting[call.id] = call.function.name
        uses.append({"call_id": call.id, "tool": call.function.name, "args": args})
    said: dict[str, Any] = {"role": "assistant", "text": text}
    found.history.append(said | ({"tool_uses": uses} if uses else {}))
    return waiting


def _add_result(
    found: Conversation,
    message: MessageItem,
    text: str,
    place: str,
    open_calls: dict[str, str],
) -> None:
    call_id = message.tool_call_id or ""
    if call_id not in open_calls:
        raise _refused("this is the result of no call before it", f"{place}.tool_call_id")
    tool = open_calls.pop(call_id)
    found.history.append({"role": "tool", "call_id": call_id, "tool": tool, "result": text})


def _text_of(message: MessageItem, place: str) -> str:
    if message.content is None or isinstance(message.content, str):
        return message.content or ""
    texts = []
    for at, part in enumerate(message.content):
        kind, text = part.get("type"), part.get("text")
        if kind == "text" and isinstance(text, str):
            texts.append(text)
            continue
        what = _REFUSED_PARTS.get(str(kind), "parts of this type")
        raise CompletionRefused(
            f"{what} are not supported: send text",
            field=f"{place}.content[{at}]",
            code="unsupported_content",
        )
    return "\n".join(texts)


def _refused(message: str, place: str) -> CompletionRefused:
    return CompletionRefused(f"{place}: {message}", field=place, code="invalid_messages")
