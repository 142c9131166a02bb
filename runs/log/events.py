"""A stored event in memory, and its one JSON form."""

import base64
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from project.lib.clock import to_rfc3339
from runs.event_types import KIND_NAMES, PAYLOADS, TERMINAL_KINDS, Payload
from runs.log.codec import decode


@dataclass
class StoredEvent:
    """One event as the log holds it. `payload` is `None` only when it was redacted.

    Never changed: all who watch a run share its events. Not frozen all the same, since that makes
    an event four times as slow to create, and a log is read by the thousand.
    """

    run_id: str
    seq: int
    prev_hash: bytes | None
    ts: int  # Unix nanoseconds
    kind: int
    payload: bytes | None
    hash: bytes

    @property
    def kind_name(self) -> str:
        return KIND_NAMES.get(self.kind, f"Kind{self.kind}")

    @property
    def is_terminal(self) -> bool:
        return self.kind in TERMINAL_KINDS

    @property
    def is_redacted(self) -> bool:
        return self.payload is None

    @cached_property
    def data(self) -> dict[str, Any]:
        """The decoded payload; an empty map when redacted."""
        if self.payload is None:
            return {}
        value = decode(self.payload)
        return value if isinstance(value, dict) else {}

    def typed(self) -> Payload:
        """The payload as its class. Raises `KeyError` for a kind this version does not know."""
        return PAYLOADS[self.kind].from_map(self.data)

    @cached_property
    def json(self) -> bytes:
        """The wire object: names for kinds, RFC 3339 times, hex hashes, bytes as base64.

        Computed once and shared by everyone who watches the run.
        """
        return orjson.dumps(self.as_map(), default=_json_default)

    @cached_property
    def derived(self) -> dict[str, Any]:
        """What readers of this process make of the event, by reader: made once, then shared."""
        return {}

    @cached_property
    def sse_frame(self) -> bytes:
        """The event as a server-sent event; its seq is the id to resume after."""
        return b"id: %d\nevent: event\ndata: %b\n\n" % (self.seq, self.json)

    def as_map(self) -> dict[str, Any]:
        """The wire object before serialisation; `payload` may still hold bytes."""
        item: dict[str, Any] = {
            "run_id": self.run_id,
            "seq": self.seq,
            "kind": self.kind_name,
            "timestamp": to_rfc3339(self.ts),
            "prev_hash": None if self.prev_hash is None else self.prev_hash.hex(),
            "hash": self.hash.hex(),
            "payload": self.data,
        }
        if self.is_redacted:
            item["payload"] = None
            item["redacted"] = True
        return item


def to_json(value: Any) -> bytes:
    """Serialise anything a log may hold; bytes become standard padded base64."""
    return orjson.dumps(value, default=_json_default)


def _json_default(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, int):
        return str(value)  # beyond 64 bits: orjson refuses, and JSON readers would round
    raise TypeError(type(value).__name__)
