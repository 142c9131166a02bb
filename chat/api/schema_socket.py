"""`/ws` in the OpenAPI document, which itself knows only HTTP."""

from typing import Any

PATH = "/ws"

_SENT = {"message": "Something said", "stop": "End the run", "resume": "Go on with an answer"}
_RECEIVED = (
    "stream_start", "text_delta", "tool_use", "tool_result", "stream_end", "attachment", "error",
    "notification",
)  # fmt: skip
_CLOSING = {
    "1001": "The server shuts down",
    "1003": "The client sent a binary frame",
    "1009": "The client sent a message that is too large",
    "1011": "The client is too slow, or something of the server failed",
    "4401": "The credential counts no more",
}


def describe_socket(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A postprocessing hook of drf-spectacular."""
    result.setdefault("x-websockets", {})[PATH] = {
        "summary": "Conversations as they happen; docs/reference/chat.md has the frames",
        "capability": "chat:use",
        "query": {"token": "An API key", "session_id": "", "run_id": "", "after": "To resume"},
        "subprotocols": ["bearer.<token>"],
        "sent": _SENT,
        "received": list(_RECEIVED),
        "closing": _CLOSING,
    }
    return result
