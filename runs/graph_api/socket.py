"""`/v1/runs/{id}/stream` as a WebSocket: a run's history, then its life, a frame at a time.

Who is not let in is refused before the handshake: the error is raised, and project.sockets answers
it. Whatever is wrong with the run or the cursor is said by the code that the socket closes with.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from django.conf import settings

from accounts import audit, capabilities, rate_limits
from accounts.authentication import authenticate_scope, is_still_valid
from accounts.permissions import authorize
from accounts.principals import Principal
from project.lib.pool import in_database_thread
from runs.errors import RunNotFound
from runs.graph_api.cursors import BadCursor, read_cursor
from runs.graph_api.outbox import FellBehind, Outbox, Send
from runs.graph_api.resuming import Start, start_after
from runs.live import TextDelta
from runs.log.events import StoredEvent
from runs.models import Run
from runs.services.listing import find_run, find_summary
from runs.streams import PAGE, Item, admission_seconds, follow_batches
from runs.tools.registry import get_registry

logger = logging.getLogger(__name__)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]

SUBPROTOCOL = "stargraph.v1"
PACK = "stargraph.serve.stream"  # of what the audit trail says about streams

DRAIN_SECONDS = 30.0  # for the frames that a client still gets before the socket is closed
CLOSE_SECONDS = 5.0
HISTORY_CHUNK = 100  # events whose frames are made in one go
INBOUND_BYTES = 1024
REASON_BYTES = 123  # what a close frame has room for

_RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Closing:
    """Why a socket closes. `is_patient`: after what is on its way has been delivered."""

    code: int
    reason: str
    is_patient: bool = False


GONE = Closing(1006, "the client left")  # nobody is there to be told
GOING_AWAY = Closing(1001, "server shutting down")
EXPIRED = Closing(1008, "token expired")
TOO_BIG = Closing(1009, f"messages may have {INBOUND_BYTES} bytes")
SLOW = Closing(1011, "slow consumer", is_patient=True)
BROKEN = Closing(1011, "internal error")
TOO_MANY = Closing(1013, "too many subscribers")


async def stream_run(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application. Raises an `AccountsError` before it accepts."""
    if (await receive())["type"] != "websocket.connect":
        return
    caller = await in_database_thread(_admit, scope)
    chosen = SUBPROTOCOL if SUBPROTOCOL in scope.get("subprotocols", ()) else None
    await send({"type": "websocket.accept", "subprotocol": chosen})
    run_id = scope["url_route"]["kwargs"]["run_id"]
    socket = RunSocket(run_id, caller, receive, send)
    try:
        begun = await in_database_thread(_begin, caller, run_id, _cursor_sent(scope))
    except Exception:
        logger.exception("a stream could not begin", extra={"run_id": run_id})
        begun = BROKEN
    if isinstance(begun, Closing):
        await socket.close(begun)
    elif not open_sockets.add(socket):
        await socket.close(TOO_MANY)
    else:
        try:
            closing = await socket.serve(begun)
        finally:
            open_sockets.remove(socket)
        await in_database_thread(_record_end, caller, run_id, closing.code)


def _admit(scope: Scope) -> Principal:
    caller = authenticate_scope(scope)
    authorize(caller, capabilities.RUNS_READ, route=scope["path"])
    rate_limits.spend("read", address=(scope.get("client") or ("",))[0], principal=caller)
    return caller


def _begin(caller: Principal, run_id: str, cursor: str) -> Start | Closing:
    get_registry()  # loaded here, and not on the event loop
    try:
        if not _RUN_ID.fullmatch(run_id):
            raise RunNotFound
        find_run(caller, run_id)
        start = start_after(run_id, read_cursor(cursor, run_id=run_id) if cursor else None)
    except RunNotFound:
        return _not_found(run_id)
    except BadCursor as error:
        return Closing(1008, str(error))
    audit.record("stream_opened", actor=caller.actor, run_id=run_id, pack_id=PACK)
    return start


def _record_end(caller: Principal, run_id: str, code: int) -> None:
    audit.record("stream_closed", actor=caller.actor, run_id=run_id, pack_id=PACK, code=code)


def _not_found(run_id: str) -> Closing:
    return Closing(1008, f"run '{run_id}' not found")


def _cursor_sent(scope: Scope) -> str:
    """From the header, or for browsers from the query; empty when there is none."""
    for name, value in scope["headers"]:
        if name == b"last-event-id" and value.strip():
            return _latin(value).strip()
    query = parse_qs(_latin(scope["query_string"]))
    return query.get("last_event_id", [""])[0]


def _latin(value: bytes) -> str:
    return value.decode("latin-1")


class RunSocket:
    """One accepted socket, until something ends it: the first reason counts."""

    def __init__(self, run_id: str, caller: Principal, receive: Receive, send: Send) -> None:
        self.run_id = run_id
        self._caller = caller
        self._receive = receive
        self._send = send
        self._closing: asyncio.Future[Closing] = asyncio.get_running_loop().create_future()
        self._outbox = Outbox(send, on_behind=lambda: self.end(SLOW))
        self._lacks_its_end = False  # the row says ended, the log has not said so yet

    def end(self, closing: Closing) -> None:
        if not self._closing.done():
            self._closing.set_result(closing)

    async def serve(self, start: Start) -> Closing:
        """Deliver until the end, and close. Returns what ended it."""
        pump, listener, sender, guard = tasks = [
            asyncio.create_task(self._or_broken(work))
            for work in (
                self._pump(start),
                self._listen(),
                self._outbox.run(),
                self._watch_admission(),
            )
        ]
        try:
            closing = await self._closing
            if closing.is_patient:
                pump.cancel()
                guard.cancel()
                self._outbox.complete()
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
            logger.exception("a stream broke", extra={"run_id": self.run_id})
            self.end(BROKEN)

    async def _listen(self) -> None:
        """Clients have nothing to say here. It is read all the same, to notice when they leave."""
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                self.end(GONE)
                return
            said = message.get("bytes") or (message.get("text") or "").encode()
            if len(said) > INBOUND_BYTES:
                self.end(TOO_BIG)
                return

    async def _watch_admission(self) -> None:
        while True:
            await asyncio.sleep(admission_seconds())
            if not await in_database_thread(is_still_valid, self._caller):
                self.end(EXPIRED)
                return

    async def _pump(self, start: Start) -> None:
        await self._outbox.put([frame.text for frame in start.frames], is_history=True)
        if start.is_at_end:
            await self._end_with_run()
            return
        head = await in_database_thread(find_summary, self.run_id)
        known = head.head_seq if head else 0
        batches = follow_batches(self.run_id, start.after, deltas=True)
        async with aclosing(batches):
            async for batch in batches:
                if not batch and not await self._is_sound():
                    return
                is_history = len(batch) >= PAGE or _first_seq(batch) <= known
                for at in range(0, len(batch), HISTORY_CHUNK):
                    texts = self._texts_of(start, batch[at : at + HISTORY_CHUNK])
                    await self._outbox.put(texts, is_history=is_history)
        await self._end_with_run()

    def _texts_of(self, start: Start, items: Sequence[Item]) -> list[str]:
        texts: list[str] = []
        for item in items:
            if isinstance(item, StoredEvent):
                texts += [frame.text for frame in start.maker.frames_of(item)]
            elif token := start.maker.token(item):
                texts.append(token)
        return texts

    async def _end_with_run(self) -> None:
        run = await in_database_thread(find_summary, self.run_id)
        status = run.status if run else "removed"
        self.end(Closing(1000, f"run {status}", is_patient=True))

    async def _is_sound(self) -> bool:
        """Something happened that is no event. Whether there is still a run to follow."""
        run = await in_database_thread(find_summary, self.run_id)
        if run is None:
            self.end(_not_found(self.run_id))
            return False
        if run.status in Run.TERMINAL and self._lacks_its_end:
            self.end(Closing(1011, "the log of the run breaks off before its end"))
            return False
        self._lacks_its_end = run.status in Run.TERMINAL
        return True


def _first_seq(batch: Sequence[Item]) -> int:
    for item in batch:
        if not isinstance(item, TextDelta):
            return item.seq
    return 1 << 62  # text that streams now is never history


class OpenSockets:
    """Those of this process. Used from its event loop alone."""

    def __init__(self) -> None:
        self._by_run: dict[str, dict[RunSocket, asyncio.Task[Any]]] = {}

    def add(self, socket: RunSocket) -> bool:
        """False when as many as `STARPORT_STREAM_SUBSCRIBERS` allows watch the run already."""
        watching = self._by_run.setdefault(socket.run_id, {})
        if len(watching) >= settings.STARPORT_STREAM_SUBSCRIBERS:
            return False
        task = asyncio.current_task()
        assert task is not None
        watching[socket] = task
        return True

    def remove(self, socket: RunSocket) -> None:
        watching = self._by_run[socket.run_id]
        del watching[socket]
        if not watching:
            del self._by_run[socket.run_id]

    async def end_all(self) -> None:
        """Tell every client that the server goes away; returns when they have been told."""
        open_now = {
            socket: task for watching in self._by_run.values() for socket, task in watching.items()
        }
        for socket in open_now:
            socket.end(GOING_AWAY)
        if open_now:
            await asyncio.wait(open_now.values(), timeout=CLOSE_SECONDS)


open_sockets = OpenSockets()
