"""The request as the log fingerprints it: its hash, and the estimate of its size.

The hash covers the canonical CBOR of the whole request under capitalised keys
(spec/starling.md §2.11, V5). Each message is encoded once; a turn then only joins the pieces.
"""

from dataclasses import dataclass, field
from typing import Any

import orjson
from blake3 import blake3

from runs.log.codec import encode, encode_head, encode_text
from runs.providers.base import Message, ToolSpec

_KEYS = {
    name: encode_text(name)
    for name in (
        "TopK", "Model", "Tools", "Params", "Messages", "ToolChoice", "SystemPrompt",
        "StopSequences", "MaxOutputTokens",
    )
}  # fmt: skip
_EMPTY_TEXT = encode_text("")
_NULL = encode(None)

# A message is a map of Role, Content, ToolUses, ToolResult, Annotations; a use of Args, Name,
# CallID; a result of CallID, Content, IsError. Canonical order is by length, then bytes.
_MESSAGE = encode_head(5, 5) + encode_text("Role")
_CONTENT = encode_text("Content")
_TOOL_USES = encode_text("ToolUses")
_TOOL_RESULT = encode_text("ToolResult")
_ANNOTATIONS = encode_text("Annotations")
_NO_ANNOTATIONS = _ANNOTATIONS + _NULL

#: An image counts like so many characters; providers charge 500 to 1,500 tokens for one.
IMAGE_UNITS = 4_500
_USE = encode_head(5, 3) + encode_text("Args")
_NAME = encode_text("Name")
_CALL_ID = encode_text("CallID")
_RESULT = encode_head(5, 3) + _CALL_ID
_IS_ERROR = encode_text("IsError")


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys: model-made spacing must not make a replay diverge."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS, default=str)


def encode_message(message: Message) -> tuple[bytes, int]:
    """One entry of `Messages`, and what the estimate counts of it.

    Counted are code points of text and of tool results, and bytes of tool arguments.
    """
    units = len(message.text)
    uses = _NULL
    if message.tool_uses:
        encoded = []
        for use in message.tool_uses:
            args = canonical_json(use.args)
            units += len(args)
            encoded.append(
                _USE
                + encode(args)
                + _NAME
                + encode_text(use.tool)
                + _CALL_ID
                + encode_text(use.call_id)
            )
        uses = encode_head(4, len(encoded)) + b"".join(encoded)
    result = _NULL
    if message.role == "tool":
        content = canonical_json(message.result).decode()
        units += len(content)
        result = b"".join(
            (
                _RESULT, encode_text(message.call_id), _CONTENT, encode_text(content),
                _IS_ERROR, encode(message.is_error),
            )
        )  # fmt: skip
    whole = (
        _MESSAGE, encode_text(message.role), _CONTENT, encode_text(message.text),
        _TOOL_USES, uses, _TOOL_RESULT, result, _annotations(message),
    )  # fmt: skip
    return b"".join(whole), units + IMAGE_UNITS * len(message.images)


def _annotations(message: Message) -> bytes:
    """Images by their hashes: what is sent of them is fixed by those."""
    if not message.images:
        return _NO_ANNOTATIONS
    images = [[image.media_type, image.digest] for image in message.images]
    return _ANNOTATIONS + encode({"Images": images})


@dataclass(frozen=True, slots=True)
class PromptFrame:
    """The parts of a request that stay the same over a run."""

    model: str
    system: str = ""
    tools: tuple[ToolSpec, ...] = ()
    params: dict[str, Any] = field(default_factory=dict)
    _hasher: blake3 = field(default_factory=blake3)  # fed with all that precedes the messages
    _tail: bytes = b""
    _units: int = 0

    def __post_init__(self) -> None:
        tools = [
            {
                "Name": tool.name,
                "Description": tool.description,
                "Schema": canonical_json(tool.schema),
            }
            for tool in self.tools
        ]
        # Canonical order is by length, then bytes: TopK Model Tools Params Messages ToolChoice …
        head = [
            encode_head(5, len(_KEYS)),
            _KEYS["TopK"], _NULL,
            _KEYS["Model"], encode_text(self.model),
            _KEYS["Tools"], encode(tools or None),
            _KEYS["Params"], encode(self.params or None),
            _KEYS["Messages"],
        ]  # fmt: skip
        tail = [
            _KEYS["ToolChoice"], _EMPTY_TEXT,
            _KEYS["SystemPrompt"], encode_text(self.system),
            _KEYS["StopSequences"], _NULL,
            _KEYS["MaxOutputTokens"], encode(0),
        ]  # fmt: skip
        object.__setattr__(self, "_hasher", blake3(b"".join(head)))
        object.__setattr__(self, "_tail", b"".join(tail))
        units = len(self.system) + sum(len(canonical_json(tool.schema)) for tool in self.tools)
        object.__setattr__(self, "_units", units)

    def hash(self, encoded_messages: list[bytes]) -> bytes:
        """prompt_hash of a request with these messages."""
        count = encode_head(4, len(encoded_messages))
        hasher = self._hasher.copy()
        hasher.update(b"".join([count, *encoded_messages, self._tail]))
        return hasher.digest()

    def estimate(self, message_units: int) -> int:
        """Tokens, before anybody counted: a third of the characters, rounded up."""
        return (self._units + message_units + 2) // 3
