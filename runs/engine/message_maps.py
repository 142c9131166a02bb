"""Messages as states and forks hold them: JSON-like maps, the same in and out."""

from collections.abc import Mapping, Sequence
from typing import Any

from runs.providers.base import ImageRef, Message, ToolUse


def message_as_map(message: Message) -> dict[str, Any]:
    """A message as state and forks hold it."""
    shown: dict[str, Any] = {"role": message.role}
    if message.role == "tool":
        shown |= {
            "call_id": message.call_id,
            "tool": message.tool,
            "result": message.result,
            "is_error": message.is_error,
        }
    else:
        shown["text"] = message.text
    if message.tool_uses:
        shown["tool_uses"] = [
            {"call_id": use.call_id, "tool": use.tool, "args": use.args}
            for use in message.tool_uses
        ]
    if message.images:
        shown["images"] = [image_as_map(image) for image in message.images]
    return shown


def image_as_map(image: ImageRef) -> dict[str, str]:
    return {"digest": image.digest, "media_type": image.media_type}


def images_of(shown: Sequence[Mapping[str, str]]) -> tuple[ImageRef, ...]:
    return tuple(ImageRef(image["digest"], image["media_type"]) for image in shown)


def message_from_map(shown: Mapping[str, Any]) -> Message:
    """The message that `message_as_map` showed."""
    return Message(
        shown["role"],
        shown.get("text", ""),
        tuple(
            ToolUse(use["call_id"], use["tool"], use["args"]) for use in shown.get("tool_uses", ())
        ),
        call_id=shown.get("call_id", ""),
        tool=shown.get("tool", ""),
        result=shown.get("result"),
        is_error=bool(shown.get("is_error")),
        images=images_of(shown.get("images", ())),
    )
