"""Shorthand for asking a model and looking at what it streamed."""

from collections.abc import Sequence
from dataclasses import dataclass

from runs.providers.base import (
    Message,
    ModelClient,
    ModelEnd,
    ModelPart,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    ToolUse,
    Usage,
)


@dataclass(frozen=True)
class Answer:
    parts: list[ModelPart]

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, TextDelta))

    @property
    def reasoning(self) -> list[ReasoningDelta]:
        return [part for part in self.parts if isinstance(part, ReasoningDelta)]

    @property
    def tool_calls(self) -> list[ToolCall]:
        return [part for part in self.parts if isinstance(part, ToolCall)]

    @property
    def reports(self) -> list[Usage]:
        return [part for part in self.parts if isinstance(part, Usage)]

    @property
    def end(self) -> ModelEnd:
        assert isinstance(self.parts[-1], ModelEnd)
        assert sum(isinstance(part, ModelEnd) for part in self.parts) == 1
        return self.parts[-1]


def request_for(*messages: Message | str, **fields) -> ModelRequest:
    return ModelRequest(
        model="whatever",
        messages=tuple(Message("user", m) if isinstance(m, str) else m for m in messages),
        **fields,
    )


async def ask(client: ModelClient, *messages: Message | str, **fields) -> Answer:
    return Answer([part async for part in client.stream(request_for(*messages, **fields))])


def assistant(text: str = "", uses: Sequence[tuple[str, str, object]] = ()) -> Message:
    """`uses` are (call id, tool, args)."""
    return Message("assistant", text, tool_uses=tuple(ToolUse(*use) for use in uses))


def tool_result(call_id: str, tool: str, result: object, *, is_error: bool = False) -> Message:
    return Message("tool", call_id=call_id, tool=tool, result=result, is_error=is_error)
