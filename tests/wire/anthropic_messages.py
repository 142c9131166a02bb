"""Anthropic's Messages API, streamed."""

import json
from typing import Any

from tests.wire.server import Stream, WireServer

_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}


class AnthropicWireServer(WireServer):
    def answer(
        self,
        text: str = "",
        *,
        thinking: str = "",
        signature: str = "",
        redacted_thinking: str = "",
        tool_calls: list[tuple[str, str, str]] | None = None,
        usage: tuple[int, int, int, int] = (11, 7, 0, 0),
        stop_reason: str = "",
    ) -> Stream:
        """`tool_calls` are (id, name, arguments).

        `usage` is (uncached input, output, cache read, cache created): disjoint, as Anthropic
        counts them.
        """
        calls = tool_calls or []
        blocks: list[list[bytes]] = []
        if thinking:
            blocks.append(_thinking_block(len(blocks), thinking, signature))
        if redacted_thinking:
            blocks.append(_redacted_block(len(blocks), redacted_thinking))
        if text:
            blocks.append(_text_block(len(blocks), text))
        for call in calls:
            blocks.append(_tool_block(len(blocks), call))
        reason = stop_reason or ("tool_use" if calls else "end_turn")
        return Stream(
            events=(
                _message_start(usage),
                _event("ping"),
                *(event for block in blocks for event in block),
                _event(
                    "message_delta",
                    delta={"stop_reason": reason, "stop_sequence": None},
                    usage={"output_tokens": usage[1]},
                ),
                _event("message_stop"),
            ),
            headers={"request-id": "req_wire_1"},
        )

    def failing_midway(self, text: str, error_type: str) -> Stream:
        """Text, then an `error` event in the stream, as when the service becomes overloaded."""
        error = _event("error", error={"type": error_type, "message": "Overloaded"})
        return Stream(
            events=(_message_start((11, 7, 0, 0)), *_text_block(0, text)[:-1], error),
            headers={"request-id": "req_wire_1"},
        )

    def error_body(self, status: int, message: str) -> Any:
        kind = _ERROR_TYPES.get(status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}}


def _message_start(usage: tuple[int, int, int, int]) -> bytes:
    tokens_in, _, cache_read, cache_created = usage
    message: dict[str, Any] = {
        "id": "msg_wire",
        "type": "message",
        "role": "assistant",
        "model": "wire-model",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {
            "input_tokens": tokens_in,
            "output_tokens": 1,
            "cache_read_input_tokens": cache_read,
            "cache_creation_input_tokens": cache_created,
        },
    }
    return _event("message_start", message=message)


def _text_block(index: int, text: str) -> list[bytes]:
    words = [f"{word} " for word in text.split()[:-1]] + text.split()[-1:]
    deltas = [{"type": "text_delta", "text": word} for word in words]
    return _block(index, {"type": "text", "text": ""}, deltas)


def _thinking_block(index: int, thinking: str, signature: str) -> list[bytes]:
    deltas: list[dict[str, Any]] = [{"type": "thinking_delta", "thinking": thinking}]
    if signature:
        deltas.append({"type": "signature_delta", "signature": signature})
    return _block(index, {"type": "thinking", "thinking": "", "signature": ""}, deltas)


def _redacted_block(index: int, data: str) -> list[bytes]:
    return _block(index, {"type": "redacted_thinking", "data": data}, [])


def _tool_block(index: int, call: tuple[str, str, str]) -> list[bytes]:
    call_id, name, arguments = call
    half = len(arguments) // 2
    pieces = ["", arguments[:half], arguments[half:]]
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return _block(index, {"type": "tool_use", "id": call_id, "name": name, "input": {}}, deltas)


def _block(index: int, start: dict[str, Any], deltas: list[dict[str, Any]]) -> list[bytes]:
    return [
        _event("content_block_start", index=index, content_block=start),
        *(_event("content_block_delta", index=index, delta=delta) for delta in deltas),
        _event("content_block_stop", index=index),
    ]


def _event(kind: str, **fields: Any) -> bytes:
    data = json.dumps({"type": kind, **fields})
    return f"event: {kind}\ndata: {data}\n\n".encode()
