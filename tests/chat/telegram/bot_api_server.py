"""Telegram's Bot API on this machine: hands out what tests send in, and keeps what the bot does."""

import json
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

POLL_SECONDS = 0.5  # of an idle poll
PATIENCE_SECONDS = 60.0  # far more than anything here takes; a machine may be busy
TOKEN = "4711:a-token-of-tests"


@dataclass
class Call:
    """What the bot asked for; a file is `{"name", "data"}` under its field's name."""

    method: str
    body: dict[str, Any]


@dataclass
class BotApiServer:
    """`refuse` maps a method to the answers it gives before it works again."""

    refuse: dict[str, list[tuple[int, dict[str, Any]]]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.calls: list[Call] = []
        self._updates: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._next_id = 1
        self._polls = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        with self._changed:
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def deliver(self, **update: Any) -> int:
        """Something comes in; its update id."""
        with self._changed:
            number, self._next_id = self._next_id, self._next_id + 1
            self._updates.append({"update_id": number, **update})
            self._changed.notify_all()
        return number

    def say(self, text: str, *, sender: dict[str, Any] | None, chat: int, **fields: Any) -> int:
        """A private message."""
        message = {"message_id": 1, "chat": {"id": chat, "type": "private"}, **fields}
        if sender is not None:
            message["from"] = sender
        if text:
            message["text"] = text
        return self.deliver(message=message)

    def wait_for(self, method: str, *, chat: int, count: int = 1) -> list[dict[str, Any]]:
        """The bodies of that many calls of one method for one chat."""

        def found() -> list[dict[str, Any]]:
            return [
                call.body
                for call in self.calls
                if call.method == method and int(call.body.get("chat_id", 0)) == chat
            ]

        with self._changed:
            enough = self._changed.wait_for(lambda: len(found()) >= count, PATIENCE_SECONDS)
            assert enough, [(call.method, call.body) for call in self.calls[-20:]]
            return found()

    def texts(self, chat: int, count: int = 1) -> list[str]:
        """The messages that a chat was sent, once there are that many."""
        return [str(body["text"]) for body in self.wait_for("sendMessage", chat=chat, count=count)]

    def wait_until_silent(self) -> None:
        """Until nobody polls any more: one poll follows on the other at once."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            before = self._polls
            time.sleep(3 * POLL_SECONDS)
            if self._polls == before:
                return
            assert time.monotonic() < deadline

    # What Telegram does

    def _answer(self, method: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        with self._changed:
            if method != "getUpdates":
                self.calls.append(Call(method, body))
            refusals = self.refuse.get(method)
            if refusals:
                self._changed.notify_all()
                return refusals.pop(0)
            result = self._result(method, body)
            self._changed.notify_all()
        return 200, {"ok": True, "result": result}

    def _result(self, method: str, body: dict[str, Any]) -> Any:
        if method == "getMe":
            return {"id": 4711, "is_bot": True, "username": "the_bot"}
        if method == "getFile":
            return {"file_id": body["file_id"], "file_path": f"files/{body['file_id']}"}
        if method != "getUpdates":
            return {"message_id": len(self.calls)}
        offset = body.get("offset", 0)
        self._updates = [update for update in self._updates if update["update_id"] >= offset]
        self._polls += 1
        self._changed.wait_for(lambda: bool(self._updates), POLL_SECONDS)
        return list(self._updates)

    def _handler(outer) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                content = self.rfile.read(length)
                _, token, method = self.path.split("/", 2)
                if token != f"bot{TOKEN}":
                    self._send(401, {"ok": False, "description": "Unauthorized"})
                    return
                kind = self.headers.get("Content-Type", "")
                is_form = kind.startswith("multipart/")
                body = _form(kind, content) if is_form else json.loads(content or b"{}")
                self._send(*outer._answer(method, body))

            def do_GET(self) -> None:
                data = outer.files.get(self.path.rpartition("/")[2])
                self.send_response(404 if data is None else 200)
                self.send_header("Content-Length", str(len(data or b"")))
                self.end_headers()
                self.wfile.write(data or b"")

            def _send(self, status: int, body: dict[str, Any]) -> None:
                content = json.dumps(body).encode()
                with suppress(OSError):  # the server under test was stopped meanwhile
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def _form(kind: str, content: bytes) -> dict[str, Any]:
    parsed = BytesParser().parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + content)
    fields: dict[str, Any] = {}
    for part in parsed.walk():
        name = part.get_param("name", header="content-disposition")
        if not isinstance(name, str):
            continue
        data = part.get_payload(decode=True)
        file_name = part.get_filename()
        fields[name] = (
            {"name": file_name, "data": data} if file_name else bytes(data or b"").decode()
        )
    return fields
