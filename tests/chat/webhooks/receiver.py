"""A receiver of webhooks on this machine, and the check that its owner would write."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATIENCE_SECONDS = 60.0  # far more than anything here takes; a machine may be busy
TOLERANCE_SECONDS = 300


@dataclass(frozen=True)
class Received:
    """One request, as it came."""

    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def content(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.body)
        return content

    @property
    def type(self) -> str:
        return str(self.content["type"])

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = self.content["data"]
        return data

    def is_signed_with(self, secret: str) -> bool:
        """Written from the specification of Standard Webhooks, by itself."""
        timestamp = self.headers["webhook-timestamp"]
        if abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
            return False
        key = base64.b64decode(secret.split("_", 1)[1])
        signed = f"{self.id}.{timestamp}.".encode() + self.body
        expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        offered = [part.split(",", 1) for part in self.headers["webhook-signature"].split(" ")]
        return any(
            version == "v1" and hmac.compare_digest(signature, expected)
            for version, signature in offered
        )


@dataclass(frozen=True)
class Answer:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"thanks"


class Receiver:
    """Keeps what comes. `answers` are given in turn, then 200; `hold` keeps all waiting."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: list[Answer] = []
        self.hold = threading.Event()
        self._let_go = threading.Event()
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/hook/s3cr3t-path"

    def let_go(self) -> None:
        """Whoever is held gets an answer, and from now on everybody at once."""
        self.hold.clear()
        self._let_go.set()

    def wait_for(self, count: int, wanted: Callable[[Received], bool] = bool) -> list[Received]:
        """The first that many requests which are wanted."""

        def found() -> list[Received]:
            return [request for request in self.received if wanted(request)]

        with self._changed:
            enough = self._changed.wait_for(lambda: len(found()) >= count, PATIENCE_SECONDS)
        assert enough, [request.body for request in self.received]
        return found()[:count]

    def close(self) -> None:
        self.let_go()
        self._server.shutdown()
        self._server.server_close()

    def _take(self, request: Received) -> Answer:
        with self._changed:
            self.received.append(request)
            answer = self.answers.pop(0) if self.answers else Answer()
            self._changed.notify_all()
        if self.hold.is_set():
            self._let_go.wait(PATIENCE_SECONDS)
        return answer

    def _handler(receiver) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = receiver._take(Received(self.path, headers, body))
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_: object) -> None:
                return

        return Handler


def unused_url() -> str:
    """Nobody listens there."""
    receiver = Receiver()
    receiver.close()
    return receiver.url
