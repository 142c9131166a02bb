"""`/v1/runs/{id}/stream` as a WebSocket: a run's history, then its life, a frame at a time.

Who is not let in is refused before the handshake: the error is raised, and project.sockets answers
it. Whatever is wrong with the run or the cursor is said by the code that the socket closes with.
"""

import logging
import re
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any
from urllib.parse import parse_qs

from django.conf import settings

from accounts import audit, capabilities, rate_limits
from accounts.authentication import authenticate_scope
from accounts.permissions import authorize
from accounts.principals import Principal
from project.lib.pool import in_database_thread
from runs.errors import RunNotFound
from runs.graph_api.cursors import BadCursor, read_cursor
from runs.graph_api.resuming import Start, start_after
from runs.live import TextDelta
from runs.log.events import StoredEvent
from runs.models import Run
from runs.services.listing import find_run, find_summary
from runs.sockets.connection import (
    BROKEN,
    Closing,
    Connection,
    Receive,
    Scope,
    open_sockets,
)
from runs.sockets.outbox import Send
from runs.streams import PAGE, Item, follow_batches
from runs.tools.registry import get_registry

logger = logging.getLogger(__name__)

SUBPROTOCOL = "stargraph.v1"
PACK = "stargraph.serve.stream"  # of what the audit trail says about streams

HISTORY_CHUNK = 100  # events whose frames are made in one go
INBOUND_BYTES = 1024

_RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


TOO_BIG = Closing(1009, f"messages may have {INBOUND_BYTES} bytes")
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
    elif not open_sockets.add(socket, run_id, at_most=settings.STARPORT_STREAM_SUBSCRIBERS):
        await socket.close(TOO_MANY)
    else:
        try:
            closing = await socket.serve(begun)
        finally:
            open_sockets.remove(socket, run_id)
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


class RunSocket(Connection):
    """A run as one client watches it."""

    def __init__(self, run_id: str, caller: Principal, receive: Receive, send: Send) -> None:
        super().__init__(caller, receive, send)
        self.run_id = run_id
        self.facts = {"run_id": run_id}
        self._lacks_its_end = False  # the row says ended, the log has not said so yet

    async def serve(self, start: Start) -> Closing:
        """Deliver until the end, and close. Returns what ended it."""
        return await self.serve_with(self._pump(start))

    async def take(self, message: dict[str, Any]) -> None:
        """Clients have nothing to say here. It is read all the same, to notice when they leave."""
        said = message.get("bytes") or (message.get("text") or "").encode()
        if len(said) > INBOUND_BYTES:
            self.end(TOO_BIG)

    async def _pump(self, start: Start) -> None:
        await self.outbox.put([frame.text for frame in start.frames], is_history=True)
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
                    await self.outbox.put(texts, is_history=is_history)
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
