"""Models behind a provider's API, reached through pydantic-ai's low-level interface."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing

from blake3 import blake3
from pydantic_ai.direct import model_request_stream
from pydantic_ai.messages import (
    ModelResponseStreamEvent,
    PartDeltaEvent,
    PartEndEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPart,
)
from pydantic_ai.models import StreamedResponse
from pydantic_ai.usage import RequestUsage

from runs import artifacts
from runs.providers.adapters import load_adapter
from runs.providers.base import (
    ModelEnd,
    ModelPart,
    ModelRequest,
    ProviderError,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    Usage,
)
from runs.providers.connections import ResponseTap, loop_connections, tapped
from runs.providers.endpoints import API_VERSIONS, Endpoint
from runs.providers.hosted_errors import incomplete_stream, provider_error
from runs.providers.hosted_messages import (
    json_text,
    model_settings,
    prompt_messages,
    request_parameters,
)
from runs.providers.prices import price_usd

logger = logging.getLogger(__name__)

_STOP_REASONS = {
    "stop": "stop",
    "length": "max_tokens",
    "tool_call": "tool_use",
    "content_filter": "filtered",
    "error": "error",
}
_ANTHROPIC_END = b'"message_stop"'
_SSE_END = b"[DONE]"
# pydantic-ai makes up an id where the provider gives none; the engine mints its own.
_MADE_UP_CALL_ID = "pyd_ai_"


class HostedModel:
    """One model of one endpoint."""

    def __init__(self, endpoint: Endpoint, model_id: str) -> None:
        self.provider_id = endpoint.provider_id
        self.model_id = model_id
        self.api_version = API_VERSIONS[endpoint.provider_id]
        self._endpoint = endpoint
        load_adapter(endpoint.provider_id)

    def cost_usd(self, usage: Usage) -> float | None:
        return price_usd(self.provider_id, self.model_id, usage)

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelPart]:
        # Everything an SDK can throw leaves as a ProviderError. `from None`: the cause's text may
        # quote headers and bodies, and tracebacks are logged.
        has_images = any(message.images for message in request.messages)
        images = await asyncio.to_thread(_read_images, request) if has_images else {}
        has_begun = False
        try:
            async with aclosing(self._translated(request, images)) as parts:
                async for part in parts:
                    has_begun = True
                    yield part
        except ProviderError as error:
            if not images or has_begun or error.kind != "bad_request":
                raise
            # Which models see is in no list that could be trusted: one that does not gets the text.
            async with aclosing(self._translated(request, {})) as parts:
                async for part in parts:
                    yield part

    async def _translated(
        self, request: ModelRequest, images: Mapping[str, bytes]
    ) -> AsyncGenerator[ModelPart]:
        try:
            async with aclosing(self._parts(request, images)) as parts:
                async for part in parts:
                    yield part
        except ProviderError:
            raise
        except Exception as error:
            raise provider_error(error, secrets=[self._endpoint.api_key]) from None

    async def _parts(
        self, request: ModelRequest, images: Mapping[str, bytes]
    ) -> AsyncGenerator[ModelPart]:
        tap = ResponseTap(idle_timeout_seconds=self._endpoint.idle_timeout_seconds)
        async with AsyncExitStack() as stack:
            with tapped(tap):
                stream = await stack.enter_async_context(await self._open(request, images))
            chunks = blake3()  # stands in for the body where no HTTP response is seen (Bedrock)
            usage = Usage()
            async for event in stream:
                for part in _delta_parts(event):
                    chunks.update(repr(part).encode())
                    yield part
                if (now := _usage(stream.usage)) != usage:
                    usage = now
                    yield usage
            self._require_end_marker(stream, tap)
            calls = list(_tool_calls(stream))
            for call in calls:
                chunks.update(repr(call).encode())
                yield call
            yield ModelEnd(
                stop_reason=_stop_reason(stream.finish_reason, calls),
                usage=_usage(stream.usage),
                raw_response_hash=tap.body_hash() or chunks.digest(),
                provider_request_id=tap.request_id or stream.provider_response_id or "",
            )

    async def _open(
        self, request: ModelRequest, images: Mapping[str, bytes]
    ) -> AbstractAsyncContextManager[StreamedResponse]:
        connections = await loop_connections()
        model = connections.model(self._endpoint, self.model_id)
        return model_request_stream(
            model,
            prompt_messages(request, images),
            model_settings=model_settings(self.provider_id, request),
            model_request_parameters=request_parameters(request, model.profile),
        )

    def _require_end_marker(self, stream: StreamedResponse, tap: ResponseTap) -> None:
        """A body may end early without any error: the connection was cut between two chunks."""
        details = stream.provider_details or {}
        if self.provider_id == "anthropic":
            ended = tap.ended_with(_ANTHROPIC_END)
        else:  # some compatible servers give no finish reason, others no end marker
            ended = bool(details.get("finish_reason")) or tap.ended_with(_SSE_END)
        if not ended:
            raise incomplete_stream()


def _read_images(request: ModelRequest) -> dict[str, bytes]:
    """The bytes of all images of the history, by digest; those that were pruned are missing."""
    found: dict[str, bytes] = {}
    for digest in {image.digest for message in request.messages for image in message.images}:
        try:
            found[digest] = artifacts.get(digest)
        except (artifacts.ArtifactMissing, artifacts.ArtifactCorrupt):
            logger.warning("an image of a conversation is missing", extra={"digest": digest})
    return found


def _delta_parts(event: ModelResponseStreamEvent) -> Iterator[ModelPart]:
    match event:
        case PartStartEvent(part=TextPart(content=text)) if text:
            yield TextDelta(text)
        case PartDeltaEvent(delta=TextPartDelta(content_delta=text)) if text:
            yield TextDelta(text)
        case PartStartEvent(part=ThinkingPart(content=text)) if text:
            yield ReasoningDelta(text)
        case PartDeltaEvent(delta=ThinkingPartDelta(content_delta=text)) if text:
            yield ReasoningDelta(text)
        case PartEndEvent(part=ThinkingPart(signature=signature, id=part_id)) if signature:
            redacted = part_id == "redacted_thinking"
            yield ReasoningDelta("", signature=signature.encode(), redacted=redacted)


def _tool_calls(stream: StreamedResponse) -> Iterator[ToolCall]:
    # Only when the stream has ended: pieces of parallel calls may arrive interleaved.
    for part in stream.get().parts:
        if isinstance(part, ToolCallPart):
            made_up = part.tool_call_id.startswith(_MADE_UP_CALL_ID)
            yield ToolCall(
                call_id="" if made_up else part.tool_call_id,
                tool=part.tool_name,
                arguments=json_text(part.args or {}),
            )


def _stop_reason(reason: str | None, calls: list[ToolCall]) -> str:
    if calls and reason == "stop":  # Gemini does not tell the two apart
        return "tool_use"
    return _STOP_REASONS.get(reason or "", "other")


def _usage(usage: RequestUsage) -> Usage:
    return Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_create_tokens=usage.cache_write_tokens,
    )
