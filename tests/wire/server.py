"""An HTTP server that plays scripted replies and keeps what it was asked.

    with OpenAIWireServer() as server:
        server.script([server.failure(429, retry_after="1"), server.answer("Hello")])
        ...  # point OPENAI_BASE_URL at server.url
        assert server.requests[0].body["model"] == "gpt-4o-mini"

Each reply answers one request; a request beyond the script is answered with a 500.
"""

import json
import socket
import threading
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class RecordedRequest:
    path: str
    headers: dict[str, str]  # names in lower case
    body: Any


@dataclass(frozen=True)
class Failure:
    """An error reply with a JSON body."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Whole:
    """A 200 whose body is one JSON document."""

    body: Any


@dataclass(frozen=True)
class Silence:
    """Takes the request and never answers; the connection stays open until the server closes."""


@dataclass(frozen=True)
class Stream:
    """A 200 with server-sent events, played in order."""

    events: tuple[bytes, ...]
    headers: dict[str, str] = field(default_factory=dict)
    pause_seconds: float = 0.0
    hold_after: int | None = None
    is_cut: bool = False

    def cut_after(self, count: int) -> Self:
        """The connection is reset after `count` events."""
        return replace(self, events=self.events[:count], is_cut=True)

    def ended_after(self, count: int) -> Self:
        """The body ends cleanly after `count` events, its end marker missing."""
        return replace(self, events=self.events[:count])

    def held_after(self, count: int) -> Self:
        """Goes silent after `count` events, until `server.release()` or the end of the server."""
        return replace(self, hold_after=count)

    def slow(self, pause_seconds: float) -> Self:
        """Waits before each event."""
        return replace(self, pause_seconds=pause_seconds)

    def with_garbage_at(self, index: int) -> Self:
        garbage = b"event: content_block_delta\ndata: {this is no json\n\n"
        return replace(self, events=(*self.events[:index], garbage, *self.events[index:]))


Reply = Failure | Silence | Stream | Whole


class WireServer:
    """Listens on a free port of 127.0.0.1 from construction until the `with` block ends."""

    path_prefix = ""

    def __init__(self) -> None:
        self.requests: list[RecordedRequest] = []
        self.hung_up = threading.Event()  # set when a client left in the middle of a stream
        self._replies: list[Reply] = []
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._closing = threading.Event()
        self._http = _Server(("127.0.0.1", 0), self._handler_class())
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """The base URL a client is configured with."""
        return f"http://127.0.0.1:{self._http.server_port}{self.path_prefix}"

    def script(self, replies: list[Reply]) -> None:
        """Replaces what is left of the script."""
        with self._lock:
            self._replies = list(replies)

    def release(self) -> None:
        """Lets streams that hold go on."""
        self._released.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._released.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def failure(
        self, status: int, message: str = "no", *, retry_after: str = "", **headers: str
    ) -> Failure:
        if retry_after:
            headers["Retry-After"] = retry_after
        return Failure(status, self.error_body(status, message), headers)

    def error_body(self, status: int, message: str) -> Any:
        raise NotImplementedError

    def next_reply(self) -> Reply:
        with self._lock:
            if self._replies:
                return self._replies.pop(0)
        return Failure(500, self.error_body(500, "the test scripted no further reply"))

    def is_released(self) -> bool:
        return self._released.is_set()

    def wait_for_end(self) -> None:
        self._closing.wait()

    def _handler_class(self) -> type[BaseHTTPRequestHandler]:
        return type("Handler", (_Handler,), {"wire": self})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_: object) -> None:
        """Clients that hang up are what many tests are about."""


class _Handler(BaseHTTPRequestHandler):
    wire: WireServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = json.loads(self.rfile.read(length) or b"null")
        self.wire.requests.append(RecordedRequest(self.path, headers, body))
        match self.wire.next_reply():
            case Failure() as failure:
                self._send(failure.status, failure.body, failure.headers)
            case Whole(body):
                self._send(200, body, {})
            case Silence():
                self.wire.wait_for_end()
                self.close_connection = True
            case Stream() as stream:
                try:
                    self._play(stream)
                except ConnectionError:
                    self.wire.hung_up.set()
                    self.close_connection = True

    def _send(self, status: int, document: Any, headers: dict[str, str]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _play(self, stream: Stream) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        for name, value in stream.headers.items():
            self.send_header(name, value)
        self.end_headers()
        pause = threading.Event()
        for index, event in enumerate(stream.events):
            if index == stream.hold_after:
                self._hold()
            if stream.pause_seconds:
                pause.wait(stream.pause_seconds)
            self._write_chunk(event)
        if stream.is_cut:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        else:
            self._write_chunk(b"")

    def _hold(self) -> None:
        """Waits for the release, or for the client to leave: its end of the socket is readable."""
        self.connection.settimeout(0.02)
        while not self.wire.is_released():
            try:
                if self.connection.recv(1) == b"":
                    raise ConnectionResetError
            except TimeoutError:
                continue
        self.connection.settimeout(None)

    def _write_chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def log_message(self, *_: object) -> None:
        """Silent: a test's output is its result."""
