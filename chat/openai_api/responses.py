"""Completions as they are sent: whole, or chunk by chunk as server-sent events."""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse

from chat.errors import ChatError, RunWasCancelled
from chat.failures import failure_of
from chat.openai_api.following import Answer, follow_plan
from chat.openai_api.starting import Plan
from runs.log.events import to_json
from runs.surface import json_response

DONE = b"data: [DONE]\n\n"
HEARTBEAT = b": \n\n"
_STREAM_HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # nginx would collect chunks
}

#: How a failure is told once the response has begun; the table of errors is not ours to import.
Describe = Callable[[ChatError], dict[str, Any]]


async def whole(plan: Plan, model: str) -> HttpResponse:
    """Raises what beginning raises, and what became of a run that did not answer."""
    answer = Answer(plan)
    async with aclosing(follow_plan(answer)) as texts:
        async for _ in texts:
            pass
    if (failure := failure_in(answer)) is not None:
        raise failure
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": answer.text, "refusal": None},
        "logprobs": None,
        "finish_reason": answer.finish_reason,
    }
    body = _head(answer.run_id, model, "chat.completion") | {
        "choices": [choice],
        "usage": usage_of(answer),
        **_waiting(answer),
    }
    return json_response(body, headers=_headers_of(answer))


async def streamed(
    plan: Plan, model: str, *, includes_usage: bool, describe: Describe
) -> StreamingHttpResponse:
    """Raises what beginning raises: the response begins when the run has."""
    answer = Answer(plan)
    texts = follow_plan(answer)
    await anext(texts)
    chunks = _chunks(answer, texts, model, includes_usage=includes_usage, describe=describe)
    return StreamingHttpResponse(chunks, headers={**_STREAM_HEADERS, **_headers_of(answer)})


async def _chunks(
    answer: Answer,
    texts: AsyncGenerator[str, None],
    model: str,
    *,
    includes_usage: bool,
    describe: Describe,
) -> AsyncGenerator[bytes, None]:
    """The first says who speaks, then text as it comes, the reason for the end, usage, `[DONE]`."""
    head = _head(answer.run_id, model, "chat.completion.chunk")
    usage: dict[str, Any] = {"usage": None} if includes_usage else {}

    def chunk(delta: dict[str, Any], finish_reason: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return _event(head | {"choices": [choice]} | usage | more)

    async with aclosing(texts):
        yield chunk({"role": "assistant", "content": ""})
        async for text in texts:
            yield chunk({"content": text}) if text else HEARTBEAT
    if (failure := failure_in(answer)) is not None:
        yield _event(describe(failure))
    else:
        yield chunk({}, answer.finish_reason, **_waiting(answer))
        if includes_usage:
            yield _event(head | {"choices": [], "usage": usage_of(answer)})
    yield DONE


def failure_in(answer: Answer) -> ChatError | None:
    if answer.tally.error:
        return failure_of(answer.tally)
    return RunWasCancelled() if answer.tally.is_cancelled else None


def usage_of(answer: Answer) -> dict[str, Any]:
    """Of all turns together; cached tokens are among those of the prompt."""
    tally = answer.tally
    return {
        "prompt_tokens": tally.input_tokens,
        "completion_tokens": tally.output_tokens,
        "total_tokens": tally.input_tokens + tally.output_tokens,
        "prompt_tokens_details": {"cached_tokens": tally.cache_read_tokens},
    }


def _head(run_id: str, model: str, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{run_id}",
        "object": kind,
        "created": int(time.time()),
        "model": model,
        "system_fingerprint": None,
    }


def _waiting(answer: Answer) -> dict[str, Any]:
    """Not OpenAI's: whose answer the text waits for. It is sent back as `run_id`."""
    if not answer.is_awaiting_input:
        return {}
    return {"awaiting_input": True, "run_id": answer.run_id}


def _headers_of(answer: Answer) -> dict[str, str]:
    return {"X-Run-Id": answer.run_id}


def _event(body: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % to_json(body)
