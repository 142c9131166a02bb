"""An HTTP/1.1 load generator: so many requests, or so many seconds, whichever ends first.

Reads its order from stdin and writes its report to stdout, both JSON. Does as little as it can per
request, so that the server under test has the processor.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import uvloop

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


@dataclass(slots=True)
class Work:
    """What is left to do, shared by all connections."""

    requests: Iterator[bytes]
    remaining: int
    deadline: float
    latencies: list[float] = field(default_factory=list)  # seconds
    statuses: Counter[int] = field(default_factory=Counter)
    last_answer_at: float = 0.0

    def next_request(self) -> bytes | None:
        if self.remaining <= 0 or time.perf_counter() >= self.deadline:
            return None
        self.remaining -= 1
        return next(self.requests)

    def take_answer(self, status: int, began: float) -> None:
        self.last_answer_at = time.perf_counter()
        self.latencies.append(self.last_answer_at - began)
        self.statuses[status] += 1


class Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._buffer = b""
        self._began = 0.0
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send_next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, rest = self._buffer.partition(_HEAD_END)
        if not separator or len(rest) < _content_length(head):
            return
        self._buffer = b""
        self._work.take_answer(int(head[9:12]), self._began)
        self._send_next()

    def _send_next(self) -> None:
        request = self._work.next_request()
        if request is None:
            self._transport.close()
            return
        self._began = time.perf_counter()
        self._transport.write(request)  # type: ignore[attr-defined] # a TCP transport


def _content_length(head: bytes) -> int:
    at = head.lower().find(_LENGTH)
    if at < 0:
        raise ValueError("the answer has no Content-Length")
    return int(head[at + len(_LENGTH) :].partition(b"\r\n")[0])


async def generate(order: dict[str, Any]) -> dict[str, Any]:
    """Send what `order` says: host, port, requests (texts, sent in turn), connections, count,
    seconds."""
    began, began_ns = time.perf_counter(), time.time_ns()
    work = Work(
        requests=cycle([text.encode() for text in order["requests"]]),
        remaining=order["count"],
        deadline=began + order["seconds"],
    )
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(lambda: Connection(work), order["host"], order["port"])
        for _ in range(order["connections"])
    ]
    await asyncio.gather(*(protocol.closed for _, protocol in opened))
    ranked = sorted(work.latencies)
    return {
        "began_ns": began_ns,
        "answers": len(ranked),
        "seconds": work.last_answer_at - began,
        "p50_ms": _at(ranked, 0.50) * 1e3,
        "p99_ms": _at(ranked, 0.99) * 1e3,
        "statuses": {str(status): count for status, count in work.statuses.items()},
    }


def _at(ranked: list[float], share: float) -> float:
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else 0.0


def main() -> None:
    order = json.load(sys.stdin)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        json.dump(runner.run(generate(order)), sys.stdout)


if __name__ == "__main__":
    main()
