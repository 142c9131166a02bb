"""Frames of the daemon's stream, as bytes. An event brings its own: `StoredEvent.sse_frame`."""

from typing import Any

from runs.live import TextDelta
from runs.log.events import to_json

HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache",
    "Connection": "keep-alive",
    "X-Accel-Buffering": "no",  # nginx would collect frames
}

#: Sent at once, so that proxies and clients see the stream begin. Milliseconds to reconnect.
OPENING = b":ok\n\nretry: 2000\n\n"
HEARTBEAT = b":heartbeat\n\n"


def status_frame(run_id: str, daemon_status: str | None, status: str | None) -> bytes:
    return frame(b"status", {"run_id": run_id, "daemon_status": daemon_status, "status": status})


def delta_frame(delta: TextDelta) -> bytes:
    """Without an id: who reconnects resumes after the last event, not after the last word."""
    return frame(b"delta", {"run_id": delta.run_id, "turn_id": delta.turn_id, "text": delta.text})


def done_frame(run_id: str, status: str | None, last_seq: int) -> bytes:
    return frame(b"done", {"run_id": run_id, "status": status, "last_seq": last_seq})


def error_frame(message: str) -> bytes:
    return frame(b"error", {"error": message})


def frame(name: bytes, data: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name, to_json(data))
