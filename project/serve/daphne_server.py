"""`serve --server daphne`."""

import asyncio
import socket
from typing import Any

import daphne.server  # first of all: it installs the Twisted reactor
from daphne.http_protocol import WebRequest
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol

from project.serve.listening import BACKLOG
from project.serve.message_limits import LEAVE_SECONDS
from project.serve.servers import (
    LAST_REQUESTS_SECONDS,
    SOCKET_MESSAGE_BYTES,
    SOCKET_PING_SECONDS,
    SOCKET_SILENCE_SECONDS,
    Main,
)
from runs.sockets.limits import EXTENSION


class _Socket(WebSocketProtocol):  # type: ignore[misc]
    """A socket that closes with any code, and with a reason. Daphne's knows 1000 and 3000 up."""

    _last_words = ""

    def limit_messages(self, most_bytes: int, last_words: str) -> None:
        self.maxMessagePayloadSize = self.maxFramePayloadSize = most_bytes
        self._last_words = last_words

    def _max_message_size_exceeded(self, *sizes_and_reason: Any) -> None:
        if self._last_words:
            self.sendMessage(self._last_words.encode(), False)
            self.failByDrop = False  # the client is told, not cut off
            # One who still sends would lose what it has not read if the connection went away.
            self.closeHandshakeTimeout = LEAVE_SECONDS
        super()._max_message_size_exceeded(*sizes_and_reason)

    def handle_reply(self, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.close" and self.state == self.STATE_OPEN:
            reason = (message.get("reason") or "").encode()
            self.sendCloseFrame(
                code=message.get("code", 1000), reasonUtf8=reason or None, isReply=False
            )
        else:
            super().handle_reply(message)


WebSocketFactory.protocol = _Socket


class _Daphne(daphne.server.Server):  # type: ignore[misc]
    """Daphne that cuts the connection when a stream fails.

    It would try to send an error page after the response has begun, stumble over that, and leave
    the client waiting.
    """

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        if isinstance(protocol, _Socket):
            extensions = {EXTENSION: {"set": protocol.limit_messages}}
            scope = {**scope, "extensions": {**(scope.get("extensions") or {}), **extensions}}
        queue = super().create_application(protocol, scope)
        work = self.connections.get(protocol, {}).get("application_instance")
        if work is not None and isinstance(protocol, WebRequest):
            work.add_done_callback(lambda done: self._cut_off_failed(protocol, done))
        return queue

    def _cut_off_failed(self, protocol: WebRequest, done: asyncio.Future[None]) -> None:
        failed = not done.cancelled() and done.exception() is not None
        if failed and protocol._response_started:
            self.protocol_disconnected(protocol)
            protocol.channel.transport.abortConnection()


class DaphneServer:
    """Daphne owns the process's Twisted reactor, so `main` runs on the reactor's loop."""

    def __init__(self, application: Any, bound: socket.socket) -> None:
        bound.listen(BACKLOG)
        self._server = _Daphne(
            application,
            endpoints=[f"fd:fileno={bound.fileno()}"],
            signal_handlers=False,
            websocket_max_message_size=SOCKET_MESSAGE_BYTES,
            websocket_max_frame_size=SOCKET_MESSAGE_BYTES,
            websocket_timeout=-1,  # Daphne would end every socket after a day
            ping_interval=SOCKET_PING_SECONDS,
            ping_timeout=SOCKET_SILENCE_SECONDS,
            application_close_timeout=LAST_REQUESTS_SECONDS,
            server_name="",
            verbosity=0,
        )

    def run(self, main: Main) -> None:
        work = daphne.server.twisted_loop.create_task(main(self))
        work.add_done_callback(lambda _: self._server.stop())
        self._server.run()
        work.result()

    async def start(self) -> None:
        """Daphne listens from the moment its reactor runs."""

    async def stop(self) -> None:
        """The end of `main` stops the reactor, which ends what is still being answered."""
