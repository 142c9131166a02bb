"""What is on its way to one client, and whether that client keeps up."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

Send = Callable[[dict[str, Any]], Awaitable[None]]

#: Frames that may wait for a client while the next ones come in.
LIMIT = 100
#: Characters of live frames that may wait, whatever their number.
LIMIT_CHARS = 4_000_000
#: How long a client may refuse to take a single one, and what long ones may take beyond that.
SEND_SECONDS = 5.0
SLOWEST_CHARS_PER_SECOND = 200_000


class FellBehind(Exception):
    """The client does not take its frames as fast as the run makes them."""


class Outbox:
    """Frames in order. `run` sends them, in a task of its own; a send waits for a slow client."""

    def __init__(self, send: Send, on_behind: Callable[[], None]) -> None:
        self._send = send
        self._on_behind = on_behind
        self._frames: deque[tuple[str, bool]] = deque()  # and whether it is history
        self._live_chars = 0
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()
        self._is_complete = False

    async def put(self, texts: Iterable[str], *, is_history: bool) -> None:
        """Raises `FellBehind`. History can wait for the client, so nobody falls behind on it."""
        if is_history:
            await self._emptied.wait()
            self._add(texts, is_history=True)
        else:
            self.put_now(texts)

    def put_now(self, texts: Iterable[str]) -> None:
        """Raises `FellBehind`."""
        if len(self._frames) > LIMIT or self._live_chars > LIMIT_CHARS:
            raise FellBehind
        self._add(texts, is_history=False)

    def _add(self, texts: Iterable[str], *, is_history: bool) -> None:
        for text in texts:
            self._frames.append((text, is_history))
            self._live_chars += 0 if is_history else len(text)
        if self._frames:
            self._emptied.clear()
            self._filled.set()

    def complete(self) -> None:
        """Nothing more comes: `run` ends when it has sent what there is."""
        self._is_complete = True
        self._filled.set()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        before = 0  # a send waits for what was sent before it
        while self._frames or not self._is_complete:
            await self._filled.wait()
            while self._frames:
                text, is_history = self._frames[0]
                size = len(text)
                seconds = SEND_SECONDS + (before + size) / SLOWEST_CHARS_PER_SECOND
                patience = loop.call_later(seconds, self._on_behind)
                try:
                    await self._send({"type": "websocket.send", "text": text})
                finally:
                    patience.cancel()
                self._frames.popleft()
                self._live_chars -= 0 if is_history else size
                before = size
            self._emptied.set()
            if not self._is_complete:
                self._filled.clear()
