"""Many open streams in one process; what arrives is only noted, and read when all is over."""

import asyncio
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from bench.core.background import Listening
from bench.core.isolated import MeasurementFailed

CONNECT_SECONDS = 60.0
_AT_ONCE = 50  # connections that are opened together
_FRAME = re.compile(
    rb"event: event\ndata: "
    rb'[^\n]*?"seq":\s?(\d+)[^\n]*?"timestamp":\s?"([^"]+)"'
)


_SOCKET_FRAME = re.compile(
    rb'\{"type":"(?!token")[^\n]*?"ts":"([^"]+)","payload":\{"cursor":"[^",]+,(\d+),'
)


class Subscriber(asyncio.Protocol):
    """One stream. Parsing would delay the reading of the others, so it waits."""

    opening, ending = b":ok", b"event: done"
    headers: Mapping[str, str] = {}

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._chunks: list[tuple[int, bytes]] = []  # Unix nanoseconds, bytes
        loop = asyncio.get_running_loop()
        self.is_open = loop.create_future()
        self.is_closed = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        transport.write(self._request)  # type: ignore[attr-defined] # a TCP transport

    def data_received(self, data: bytes) -> None:
        self._chunks.append((time.time_ns(), data))
        if not self.is_open.done() and self.opening in data:
            self.is_open.set_result(None)
        if self.ending in data and not self.is_closed.done():
            self.is_closed.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        for future in (self.is_open, self.is_closed):
            if not future.done():
                future.set_exception(MeasurementFailed(f"a stream was cut: {error}"))
                future.exception()  # whoever waits for the other one still hears of it

    def arrivals(self) -> dict[int, tuple[int, int]]:
        """Events by seq: when each was recorded and when it had arrived, in Unix nanoseconds."""
        found: dict[int, tuple[int, int]] = {}
        pending = b""
        for at, data in self._chunks:
            pending += data
            cut = 0
            for seq, timestamp, end in self._events_in(pending):
                assert seq not in found, f"event {seq} came twice"
                found[seq] = (unix_ns(timestamp), at)
                cut = end
            pending = pending[cut:]
        return found

    def _events_in(self, data: bytes) -> Iterator[tuple[int, str, int]]:
        """Each event's seq, its timestamp, and where in `data` that much has been read."""
        for frame in _FRAME.finditer(data):
            yield int(frame[1]), frame[2].decode(), frame.end()

    def close(self) -> None:
        self._transport.close()


class SocketSubscriber(Subscriber):
    """The same over a WebSocket, whose frames from a server are plain bytes with a short head."""

    opening, ending = b"101 Switching", b"\x03\xe8run done"  # a close frame with 1000
    headers: Mapping[str, str] = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }

    def _events_in(self, data: bytes) -> Iterator[tuple[int, str, int]]:
        for frame in _SOCKET_FRAME.finditer(data):
            yield int(frame[2]) + 1, frame[1].decode(), frame.end()


@lru_cache(maxsize=65_536)
def unix_ns(timestamp: str) -> int:
    """RFC 3339 with nine digits."""
    seconds, _, fraction = timestamp.removesuffix("Z").partition(".")
    whole = int(datetime.fromisoformat(f"{seconds}+00:00").timestamp())
    return whole * 1_000_000_000 + int(fraction.ljust(9, "0"))


async def subscribe(
    server: Listening, paths: Sequence[str], kind: type[Subscriber] = Subscriber
) -> list[Subscriber]:
    """Open a stream for each path; returns when every one has begun."""
    loop = asyncio.get_running_loop()
    opened: list[Subscriber] = []
    for start in range(0, len(paths), _AT_ONCE):
        few = [
            await loop.create_connection(_maker(server, path, kind), server.host, server.port)
            for path in paths[start : start + _AT_ONCE]
        ]
        mine = [protocol for _, protocol in few]
        async with asyncio.timeout(CONNECT_SECONDS):
            await asyncio.gather(*(subscriber.is_open for subscriber in mine))
        opened += mine
    return opened


def _maker(server: Listening, path: str, kind: type[Subscriber]) -> Callable[[], Subscriber]:
    headers = {"Host": server.host, **server.headers, **kind.headers}
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    request = ("\r\n".join(lines) + "\r\n\r\n").encode()
    return lambda: kind(request)
