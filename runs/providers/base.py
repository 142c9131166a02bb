"""What the engine asks of a model, whoever serves it.

A provider adapter turns one `ModelRequest` into a stream of parts and ends it with one
`ModelEnd`. It raises `ProviderError` and nothing else; retries are the engine's business.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

ErrorKind = Literal[
    "rate_limit", "overloaded", "timeout", "auth", "bad_request", "network", "invalid_stream"
]
#: Worth another try: the same request may succeed.
RETRYABLE: frozenset[str] = frozenset({"rate_limit", "overloaded", "timeout", "network"})


class ProviderError(Exception):
    """A model call failed. The message is short and free of secrets: it ends up in the log."""

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        *,
        status: int | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind
        self.status = status
        self.retry_after_seconds = retry_after_seconds

    @property
    def is_retryable(self) -> bool:
        return self.kind in RETRYABLE


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A tool call as the model asked for it; `args` is parsed JSON in the log's value space."""

    call_id: str
    tool: str
    args: Any


@dataclass(frozen=True, slots=True)
class ImageRef:
    """An image that was kept as an artifact: who sends it to a model reads it from there."""

    digest: str  # of the blob, hex
    media_type: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the history sent to a model.

    `role` user: `text` and `images`. assistant: `text` and `tool_uses`. tool: the outcome of
    `call_id`, in `result` (any JSON value) with `is_error` set when the tool failed.
    """

    role: Literal["user", "assistant", "tool"]
    text: str = ""
    tool_uses: tuple[ToolUse, ...] = ()
    call_id: str = ""
    tool: str = ""
    result: Any = None
    is_error: bool = False
    images: tuple[ImageRef, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as a model sees it."""

    name: str
    description: str
    schema: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One model call. `model` is the provider's own name for it."""

    model: str
    messages: tuple[Message, ...]
    system: str = ""
    tools: tuple[ToolSpec, ...] = ()
    params: dict[str, Any] = field(default_factory=dict)
    output_schema: dict[str, Any] | None = None
    idempotency_key: str = ""  # the turn id: the same on every attempt of the turn


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of this call so far; each report replaces the one before.

    `input_tokens` includes cached ones, whatever the provider's own convention.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_create_tokens: int = 0


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of reasoning. A `signature` or `redacted` closes the part it belongs to."""

    text: str
    signature: bytes | None = None
    redacted: bool = False


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A complete tool call. `arguments` is the JSON text as the model wrote it."""

    call_id: str  # "" when the provider gives none; the engine mints one
    tool: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ModelEnd:
    """The last part of every stream."""

    stop_reason: str  # stop, tool_use, max_tokens, filtered, error, other
    usage: Usage
    raw_response_hash: bytes | None = None
    provider_request_id: str = ""


ModelPart = TextDelta | ReasoningDelta | ToolCall | Usage | ModelEnd


class ModelClient(Protocol):
    """One configured model. Safe for concurrent calls."""

    provider_id: str  # e.g. "openai"; never contains "/" or ":"
    model_id: str
    api_version: str

    def stream(self, request: ModelRequest) -> AsyncIterator[ModelPart]:
        """Parts in arrival order, closed by exactly one `ModelEnd`. Raises `ProviderError`."""
        ...

    def cost_usd(self, usage: Usage) -> float | None:
        """Price of a call; `None` when the price of this model is not known."""
        ...
