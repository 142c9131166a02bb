"""How a log is sent: as server-sent events, as lines of JSON, or as plain text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from django.utils.http import content_disposition_header

from instances.logs import as_line, as_map
from instances.objects import LogEntry
from runs.api import frames
from runs.log.events import to_json


class LogForm(Protocol):
    """An empty chunk is not sent."""

    @property
    def heartbeat(self) -> bytes: ...

    def headers(self, instance_id: str) -> Mapping[str, str]: ...

    def opening(self) -> bytes: ...

    def entries(self, batch: Sequence[LogEntry]) -> bytes: ...

    def failure(self, message: str) -> bytes: ...

    def end(self, count: int) -> bytes: ...


class AsEvents:
    """A frame `log` for each entry, then `done` or `error`. Without ids: a log has no positions."""

    heartbeat = frames.HEARTBEAT

    def headers(self, instance_id: str) -> Mapping[str, str]:
        return frames.HEADERS

    def opening(self) -> bytes:
        return frames.OPENING

    def entries(self, batch: Sequence[LogEntry]) -> bytes:
        return b"".join(frames.frame(b"log", as_map(entry)) for entry in batch)

    def failure(self, message: str) -> bytes:
        return frames.error_frame(message)

    def end(self, count: int) -> bytes:
        return frames.frame(b"done", {"entries": count})


@dataclass(frozen=True)
class AsLines:
    """A file to keep. A failure is its last line, so that nobody takes half a log for a whole."""

    is_json: bool
    heartbeat: bytes = field(default=b"\n", init=False)  # readers skip blank lines

    def headers(self, instance_id: str) -> Mapping[str, str]:
        kind = "application/x-ndjson" if self.is_json else "text/plain; charset=utf-8"
        name = f"{instance_id}.{'ndjson' if self.is_json else 'log'}"
        return {
            "Content-Type": kind,
            "Content-Disposition": content_disposition_header(True, name) or "attachment",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        }

    def opening(self) -> bytes:
        return b""

    def entries(self, batch: Sequence[LogEntry]) -> bytes:
        return b"".join(as_line(entry) if self.is_json else _text_line(entry) for entry in batch)

    def failure(self, message: str) -> bytes:
        return to_json({"error": message}) + b"\n" if self.is_json else f"! {message}\n".encode()

    def end(self, count: int) -> bytes:
        return b""


EVENTS: LogForm = AsEvents()
JSON_LINES: LogForm = AsLines(is_json=True)
TEXT_LINES: LogForm = AsLines(is_json=False)


def form_of(accept: str, *, is_download: bool) -> LogForm:
    """What fits best; a browser that follows a link to a download takes anything."""
    if "application/x-ndjson" in accept:
        return JSON_LINES
    if not is_download:
        return EVENTS
    return TEXT_LINES if accept.startswith("text/plain") else JSON_LINES


def _text_line(entry: LogEntry) -> bytes:
    when = "-"
    if entry.timestamp:
        when = datetime.fromtimestamp(entry.timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    level, message = _on_one_line(entry.level.upper()), _on_one_line(entry.message)
    return f"{when} {level} {message}\n".encode(errors="replace")


def _on_one_line(text: str) -> str:
    """One entry is one line, whatever it holds."""
    return text.replace("\r", "").replace("\n", "\\n")
