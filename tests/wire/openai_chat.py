"""OpenAI chat completions, streamed."""

import json
from typing import Any

from tests.wire.server import Stream, Whole, WireServer

_ERROR_TYPES = {400: "invalid_request_error", 401: "invalid_request_error", 429: "requests"}


class OpenAIWireServer(WireServer):
    path_prefix = "/v1"

    def answer(
        self,
        text: str = "",
        *,
        tool_calls: list[tuple[str, str, str]] | None = None,
        reasoning: str = "",
        usage: tuple[int, int, int] = (11, 7, 0),
        finish_reason: str = "",
    ) -> Stream:
        """`tool_calls` are (id, name, arguments), `usage` is (input, output, of it cached input).

        Words of the text and halves of the arguments come as chunks of their own; the pieces of
        parallel calls arrive in turns.
        """
        calls = tool_calls or []
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"reasoning_content": word} for word in _words(reasoning)]
        deltas += [{"content": word} for word in _words(text)]
        deltas += [_call_start(index, call) for index, call in enumerate(calls)]
        deltas += [_call_piece(i, call[2][: len(call[2]) // 2]) for i, call in enumerate(calls)]
        deltas += [_call_piece(i, call[2][len(call[2]) // 2 :]) for i, call in enumerate(calls)]
        reason = finish_reason or ("tool_calls" if calls else "stop")
        return Stream(
            events=(
                *(_chunk(choices=[_choice(delta)]) for delta in deltas),
                _chunk(choices=[_choice({}, reason)]),
                _chunk(choices=[], usage=_usage(*usage)),
                b"data: [DONE]\n\n",
            ),
            headers={"x-request-id": "req_wire_1"},
        )

    def embeddings(self, *vectors: list[float]) -> Whole:
        """What `/v1/embeddings` answers, in plain numbers: not every server knows base64."""
        items = [
            {"object": "embedding", "index": index, "embedding": vector}
            for index, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": 3, "total_tokens": 3}
        return Whole({"object": "list", "data": items, "model": "wire-model", "usage": usage})

    def error_body(self, status: int, message: str) -> Any:
        kind = _ERROR_TYPES.get(status, "server_error")
        return {"error": {"message": message, "type": kind, "param": None, "code": None}}


def _words(text: str) -> list[str]:
    return [f"{word} " for word in text.split()[:-1]] + text.split()[-1:]


def _call_start(index: int, call: tuple[str, str, str]) -> dict[str, Any]:
    call_id, name, _ = call
    start = {"id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
    return {"tool_calls": [{"index": index, **start}]}


def _call_piece(index: int, piece: str) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _choice(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish_reason}


def _usage(tokens_in: int, tokens_out: int, cached: int) -> dict[str, Any]:
    return {
        "prompt_tokens": tokens_in,
        "completion_tokens": tokens_out,
        "total_tokens": tokens_in + tokens_out,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def _chunk(**fields: Any) -> bytes:
    chunk = {
        "id": "chatcmpl-wire",
        "object": "chat.completion.chunk",
        "created": 1_760_000_000,
        "model": "wire-model",
        **fields,
    }
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"
