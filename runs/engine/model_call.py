"""One model call: the stream drained into an answer, with retries, budgets and metrics."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from runs import metrics
from runs.engine.budget import Trip
from runs.metrics import labelled
from runs.providers.base import (
    ModelClient,
    ModelEnd,
    ModelRequest,
    ProviderError,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    ToolUse,
    Usage,
)

#: Waits before the second and third try, unless the provider names its own.
RETRY_DELAYS_SECONDS = (0.5, 1.0)
#: A provider that asks for more patience than this has failed.
LONGEST_RETRY_AFTER_SECONDS = 60.0


@dataclass(slots=True)
class Reasoning:
    """One finished part of reasoning."""

    content: str
    signature: bytes | None = None
    redacted: bool = False


@dataclass(slots=True)
class Answer:
    """Everything one model call said."""

    text: str = ""
    reasoning: list[Reasoning] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    uses: tuple[ToolUse, ...] | None = None  # calls as a recording has them, arguments parsed
    stop_reason: str = ""
    usage: Usage = field(default_factory=Usage)
    raw_response_hash: bytes | None = None
    provider_request_id: str = ""


class BudgetTripped(Exception):
    """The call was dropped in the middle because an axis of the budget went over."""

    def __init__(self, trip: Trip, partial_text: str, partial_tokens: int) -> None:
        super().__init__(trip.limit)
        self.trip = trip
        self.partial_text = partial_text
        self.partial_tokens = partial_tokens


async def call_model(
    client: ModelClient,
    request: ModelRequest,
    *,
    on_text: Callable[[str, int], None],
    check: Callable[[Usage], Trip | None],
) -> Answer:
    """Call, and call again where that may help. `on_text` gets each delta and the attempt number.

    Raises `ProviderError` when the last try failed, `BudgetTripped` when `check` objected.
    """
    for attempt in range(1, len(RETRY_DELAYS_SECONDS) + 2):
        try:
            return await _call_once(client, request, partial(_pass_on, on_text, attempt), check)
        except ProviderError as error:
            wait = _delay_before_retry(error, attempt)
            if wait is None:
                raise
            await asyncio.sleep(wait)
    raise AssertionError("the last attempt returns or raises")


def _pass_on(on_text: Callable[[str, int], None], attempt: int, text: str) -> None:
    on_text(text, attempt)


def _delay_before_retry(error: ProviderError, attempt: int) -> float | None:
    if not error.is_retryable or attempt > len(RETRY_DELAYS_SECONDS):
        return None
    if error.retry_after_seconds is None:
        return RETRY_DELAYS_SECONDS[attempt - 1]
    if error.retry_after_seconds > LONGEST_RETRY_AFTER_SECONDS:
        return None
    return error.retry_after_seconds


async def _call_once(
    client: ModelClient,
    request: ModelRequest,
    on_text: Callable[[str], None],
    check: Callable[[Usage], Trip | None],
) -> Answer:
    started = time.perf_counter()
    model = client.model_id
    status = "error"
    try:
        answer = await _drain(client, request, on_text, check)
        status = "ok"
    except asyncio.CancelledError:
        status = "cancelled"
        raise
    finally:
        labelled(metrics.provider_calls, model, status).inc()
        labelled(metrics.provider_call_duration, model).observe(time.perf_counter() - started)
    for kind, count in (
        ("prompt", answer.usage.input_tokens),
        ("completion", answer.usage.output_tokens),
    ):
        if count:
            labelled(metrics.provider_tokens, model, kind).inc(count)
    return answer


async def _drain(
    client: ModelClient,
    request: ModelRequest,
    on_text: Callable[[str], None],
    check: Callable[[Usage], Trip | None],
) -> Answer:
    answer = Answer()
    texts: list[str] = []
    thought: list[str] = []
    seen: set[str] = set()
    ended = False

    def object_to(usage: Usage) -> None:
        trip = check(usage)
        if trip is not None:
            raise BudgetTripped(trip, "".join(texts), usage.output_tokens)

    def close_thought(signature: bytes | None = None) -> None:
        if thought or signature:
            answer.reasoning.append(Reasoning("".join(thought), signature))
            thought.clear()

    stream = client.stream(request)
    try:
        async for part in stream:
            if ended:
                raise ProviderError("invalid_stream", "something followed the end of the answer")
            match part:
                case TextDelta():
                    texts.append(part.text)
                    on_text(part.text)
                case ReasoningDelta(redacted=True):
                    close_thought()
                    answer.reasoning.append(Reasoning(part.text, part.signature, redacted=True))
                case ReasoningDelta():
                    if part.text:
                        thought.append(part.text)
                    if part.signature:
                        close_thought(part.signature)
                case ToolCall():
                    if part.call_id and part.call_id in seen:
                        raise ProviderError("invalid_stream", "two tool calls share one id")
                    seen.add(part.call_id)
                    answer.calls.append(part)
                case Usage():
                    object_to(part)
                case ModelEnd():
                    object_to(part.usage)
                    ended = True
                    answer.stop_reason = part.stop_reason
                    answer.usage = part.usage
                    answer.raw_response_hash = part.raw_response_hash
                    answer.provider_request_id = part.provider_request_id
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()
    if not ended:
        raise ProviderError("invalid_stream", "the answer stopped before its end")
    close_thought()
    answer.text = "".join(texts)
    return answer
