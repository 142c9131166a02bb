"""How large a message each WebSocket may send, as the application says when it accepts one.

`scope["extensions"]["starport.message_limit"]["set"](most_bytes, last_words)`: a larger one is
answered with the text `last_words`, and the socket is closed with 1009. It is never held in memory.
"""

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode

from runs.sockets.limits import EXTENSION

TOO_BIG = 1009
LEAVE_SECONDS = 10.0  # what a client gets to read why, while it still sends what nobody wants


class LimitedWebSocket(WebSocketsSansIOProtocol):
    """Uvicorn's sockets with limits of their own."""

    _last_words = ""
    _is_discarding = False

    async def run_asgi(self) -> None:
        extensions = dict(self.scope.get("extensions") or {})
        extensions[EXTENSION] = {"set": self._limit_messages}
        self.scope["extensions"] = extensions
        await super().run_asgi()

    def _limit_messages(self, most_bytes: int, last_words: str) -> None:
        self.conn.max_message_size = most_bytes
        self._last_words = last_words

    def data_received(self, data: bytes) -> None:
        if not self._is_discarding:
            super().data_received(data)

    def handle_parser_exception(self) -> None:
        closing = self.conn.close_sent
        if closing is None or closing.code != TOO_BIG or not self._last_words:
            super().handle_parser_exception()
            return
        words = Frame(Opcode.TEXT, self._last_words.encode())
        self.transport.write(words.serialize(mask=False))
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        gone: Any = {"type": "websocket.disconnect", "code": TOO_BIG, "reason": closing.reason}
        self.queue.put_nowait(gone)
        # Closing a connection with unread bytes resets it, and the client would read nothing.
        self._is_discarding = True
        self.transport.resume_reading()
        self.close_timer = self.loop.call_later(LEAVE_SECONDS, self.transport.close)
