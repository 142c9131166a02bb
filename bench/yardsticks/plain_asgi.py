"""A plain ASGI application under the Uvicorn settings of `serve`: what HTTP alone costs.

POST /echo            the body again
GET  /json            a small JSON document
GET  /one-event       a stream of a single event frame
GET  /stream          frames as they are published
POST /publish         {"chunks", "frames", "interval", "padding"}: publish that many chunks of
                      so many frames, evenly, then a `done` frame
"""

import asyncio
import json
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from django.conf import settings

from project.lib.clock import to_rfc3339
from project.serve.listening import bind, bound_address
from project.serve.options import Address
from project.serve.servers import AsgiServer, make_server

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_DOCUMENT = json.dumps({"run_id": "01HXYZABCDEFGHJKMNPQRSTVWX", "status": "completed"}).encode()
_JSON = [(b"content-type", b"application/json")]
_EVENTS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]

_subscribers: set["asyncio.Queue[bytes]"] = set()
_publishing: set["asyncio.Task[None]"] = set()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    match scope["method"], scope["path"]:
        case "POST", "/echo":
            await _reply(send, await _body(receive))
        case "GET", "/json":
            await _reply(send, _DOCUMENT)
        case "GET", "/one-event":
            await _start(send, _EVENTS)
            await send({"type": "http.response.body", "body": event_frame(1, "")})
        case "GET", "/stream":
            await _stream(receive, send)
        case "POST", "/publish":
            order = json.loads(await _body(receive))
            task = asyncio.create_task(_publish(**order))
            _publishing.add(task)
            task.add_done_callback(_publishing.discard)
            await _reply(send, b"{}")
        case _:
            await _reply(send, b"{}", status=404)


def event_frame(seq: int, padding: str) -> bytes:
    data = json.dumps({"seq": seq, "timestamp": to_rfc3339(time.time_ns()), "payload": padding})
    return f"id: {seq}\nevent: event\ndata: {data}\n\n".encode()


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


async def _start(send: Send, headers: list[tuple[bytes, bytes]], status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _reply(send: Send, body: bytes, status: int = 200) -> None:
    length = (b"content-length", str(len(body)).encode())
    await _start(send, [*_JSON, length], status)
    await send({"type": "http.response.body", "body": body})


async def _stream(receive: Receive, send: Send) -> None:
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    _subscribers.add(queue)
    pump = asyncio.create_task(_pump(queue, send))
    try:
        while (await receive())["type"] != "http.disconnect":
            pass
    finally:
        _subscribers.discard(queue)
        pump.cancel()
        with suppress(asyncio.CancelledError):
            await pump


async def _pump(queue: "asyncio.Queue[bytes]", send: Send) -> None:
    await _start(send, _EVENTS)
    await send({"type": "http.response.body", "body": b":ok\n\n", "more_body": True})
    while True:
        await send({"type": "http.response.body", "body": await queue.get(), "more_body": True})


async def _publish(chunks: int, frames: int, interval: float, padding: int) -> None:
    text = "x" * padding
    began = time.monotonic()
    for number in range(chunks):
        first = number * frames + 1
        _tell(b"".join(event_frame(seq, text) for seq in range(first, first + frames)))
        await asyncio.sleep(max(0.0, began + (number + 1) * interval - time.monotonic()))
    _tell(b"event: done\ndata: {}\n\n")


def _tell(chunk: bytes) -> None:
    for queue in _subscribers:
        queue.put_nowait(chunk)


async def _serve(server: AsgiServer, address: Address) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await server.start()
    sys.stdout.write(f"ready at http://{address}\n")
    sys.stdout.flush()
    await stop.wait()
    await server.stop()


def main() -> None:
    settings.configure(DEBUG=False)  # the only setting the server reads
    bound = bind(Address("127.0.0.1", 0))
    address = bound_address(bound, "127.0.0.1")
    server = make_server("uvicorn", application, bound, None)
    server.run(lambda running: _serve(running, address))


if __name__ == "__main__":
    main()
