"""One accepted WebSocket, until something ends it: the first reason counts."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

from accounts.authentication import is_still_valid
from accounts.principals import Principal
from project.lib.pool import in_database_thread
from runs.sockets.outbox import FellBehind, Outbox, Send
from runs.streams import admission_seconds

logger = logging.getLogger(__name__)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]

DRAIN_SECONDS = 30.0  # for the frames that a client still gets before the socket is closed
CLOSE_SECONDS = 5.0
REASON_BYTES = 123  # what a close frame has room for


@dataclass(frozen=True, slots=True)
class Closing:
    """Why a socket closes. `is_patient`: after what is on its way has been delivered."""

    code: int
    reason: str
    is_patient: bool = False


GONE = Closing(1006, "the client left")  # nobody is there to be told
GOING_AWAY = Closing(1001, "server shutting down")
SLOW = Closing(1011, "slow consumer", is_patient=True)
BROKEN = Closing(1011, "internal error")


class Connection:
    """What it sends goes through its outbox; what comes in goes to `take`."""

    #: How long a socket may outlive the revocation of its key, and how it closes then.
    admission_seconds: ClassVar[float] = 10.0
    expired: ClassVar[Closing] = Closing(1008, "token expired")
    #: What log lines say the socket is about.
    facts: dict[str, str]

    def __init__(self, caller: Principal, receive: Receive, send: Send) -> None:
        self.caller = caller
        self.facts = {}
        self._receive = receive
        self._send = send
        self._closing: asyncio.Future[Closing] = asyncio.get_running_loop().create_future()
        self.outbox = Outbox(send, on_behind=lambda: self.end(SLOW))

    def end(self, closing: Closing) -> None:
        if not self._closing.done():
            self._closing.set_result(closing)

    async def take(self, message: dict[str, Any]) -> None:
        """A message that the client sent."""

    async def serve_with(self, *works: Awaitable[None]) -> Closing:
        """Do the works and deliver until the end, and close. Returns what ended it."""
        tasks = [
            asyncio.create_task(self._or_broken(work))
            for work in (self._listen(), self.outbox.run(), self._watch_admission(), *works)
        ]
        listener, sender, *others = tasks
        try:
            closing = await self._closing
            if closing.is_patient:
                for task in others:
                    task.cancel()
                self.outbox.complete()
                await asyncio.wait(
                    {sender, listener}, timeout=DRAIN_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await self.close(closing)
        return closing

    async def close(self, closing: Closing) -> None:
        if closing is GONE:
            return
        reason = closing.reason.encode()[:REASON_BYTES].decode(errors="ignore")
        with suppress(OSError):  # the client left meanwhile, or takes nothing: TimeoutError
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._send(
                    {"type": "websocket.close", "code": closing.code, "reason": reason}
                )

    async def _or_broken(self, work: Awaitable[None]) -> None:
        try:
            await work
        except OSError:  # what a server raises that sends to a client who is gone
            self.end(GONE)
        except FellBehind:
            self.end(SLOW)
        except Exception:
            logger.exception("a socket broke", extra=self.facts)
            self.end(BROKEN)

    async def _listen(self) -> None:
        """Reads on while the socket closes, to notice when the client leaves."""
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                self.end(GONE)
                return
            if not self._closing.done():
                await self.take(message)

    async def _watch_admission(self) -> None:
        while True:
            await asyncio.sleep(min(self.admission_seconds, admission_seconds()))
            if not await in_database_thread(is_still_valid, self.caller):
                self.end(self.expired)
                return


class OpenSockets:
    """Those of this process, by what they are about. Used from its event loop alone."""

    def __init__(self) -> None:
        self._by_subject: dict[str, dict[Connection, asyncio.Task[Any]]] = {}

    def add(self, socket: Connection, subject: str, *, at_most: int | None = None) -> bool:
        """False when so many sockets are about the same already."""
        mine = self._by_subject.setdefault(subject, {})
        if at_most is not None and len(mine) >= at_most:
            return False
        task = asyncio.current_task()
        assert task is not None
        mine[socket] = task
        return True

    def remove(self, socket: Connection, subject: str) -> None:
        mine = self._by_subject[subject]
        del mine[socket]
        if not mine:
            del self._by_subject[subject]

    async def end_all(self) -> None:
        """Tell every client that the server goes away; returns when they have been told."""
        open_now = {
            socket: task for mine in self._by_subject.values() for socket, task in mine.items()
        }
        for socket in open_now:
            socket.end(GOING_AWAY)
        if open_now:
            await asyncio.wait(open_now.values(), timeout=CLOSE_SECONDS)


open_sockets = OpenSockets()
