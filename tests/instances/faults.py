"""What a backend can do wrong, on demand: `backend.fail("list", Answer(500))`."""

import asyncio
import itertools
import json
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

Ending = Literal["end", "cut", "reset", "open", "repeat"]
#: What comes after a fault: the right answer, another request, or the end of the connection.
Outcome = Literal["answer", "reuse", "close"]


@dataclass(frozen=True)
class Answer:
    """Any answer in place of the right one. A body that is no text is sent as JSON."""

    status: int
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def as_bytes(self) -> bytes:
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        kind = {} if isinstance(self.body, bytes) else {"Content-Type": "application/json"}
        length = {"Content-Length": str(len(body))}
        return head_of(self.status, {**kind, **length, **self.headers}) + body


@dataclass(frozen=True)
class Slow:
    """The right answer, but late."""

    seconds: float


@dataclass(frozen=True)
class Hang:
    """No answer, and the connection stays open."""


@dataclass(frozen=True)
class Reset:
    """The connection is reset when the request has been read."""


@dataclass(frozen=True)
class Raw:
    """Exactly these bytes, then the end of the connection: no HTTP, or half of an answer."""

    data: bytes


@dataclass(frozen=True)
class Chunks:
    """A body in pieces, each flushed by itself; a number is a pause in seconds.

    `ending`: in good order, `cut` without the last chunk, `reset`, `open` in silence, or `repeat`
    the last piece for ever.
    """

    parts: Sequence[bytes | float]
    ending: Ending = "end"
    content_type: str = "application/x-ndjson"

    def pieces(self) -> Iterator[bytes | float]:
        yield from self.parts
        if self.ending == "repeat":
            yield from itertools.cycle((0.001, self.parts[-1]))


Fault = Answer | Slow | Hang | Reset | Raw | Chunks

BAD_JSON = Answer(200, b'{"id": "half an obj', {"Content-Type": "application/json"})
REDIRECT = Answer(302, b"", {"Location": "http://127.0.0.1:9/elsewhere"})
TOO_MANY = Answer(429, {"error": "slow down"}, {"Retry-After": "7"})


def head_of(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def chunk_of(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"


def reset(writer: asyncio.StreamWriter) -> None:
    """Close it so that the other side sees `ECONNRESET`."""
    real: socket.socket = writer.get_extra_info("socket")
    real.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def commit(fault: Fault, writer: asyncio.StreamWriter) -> Outcome:
    """Do what is wrong."""
    match fault:
        case Slow(seconds):
            await asyncio.sleep(seconds)
            return "answer"
        case Answer():
            writer.write(fault.as_bytes())
            await writer.drain()
            return "reuse"
        case Chunks():
            return await _send_chunks(fault, writer)
        case Hang():
            await asyncio.sleep(3600)
        case Reset():
            reset(writer)
        case Raw(data):
            writer.write(data)
            await writer.drain()
    return "close"


async def _send_chunks(fault: Chunks, writer: asyncio.StreamWriter) -> Outcome:
    headers = {"Content-Type": fault.content_type, "Transfer-Encoding": "chunked"}
    writer.write(head_of(200, headers))
    for piece in fault.pieces():
        if writer.transport.is_closing():
            return "close"
        if isinstance(piece, bytes):
            writer.write(chunk_of(piece))
            await writer.drain()
        else:
            await asyncio.sleep(piece)
    return await _end_chunks(fault.ending, writer)


async def _end_chunks(ending: Ending, writer: asyncio.StreamWriter) -> Outcome:
    if ending == "end":
        writer.write(LAST_CHUNK)
        await writer.drain()
        return "reuse"
    if ending == "open":
        await asyncio.sleep(3600)
    elif ending == "reset":
        await asyncio.sleep(0.05)  # what was sent must arrive before the reset overtakes it
        reset(writer)
    return "close"
