"""The socket of conversations: one stream at a time, and what is said meanwhile.

A socket that drops stops no run: what was taken up is carried out and stored, and what the socket
kept for later is posted when it ends. Who comes back goes on by a `resume` frame.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack, aclosing
from typing import Any, ClassVar
from urllib.parse import parse_qs

from accounts.principals import Principal
from chat import notifications
from chat.answers import Begun, Refused, Settled, answer_batches, when_settled
from chat.deliveries import Delivery, read_deliveries
from chat.models import Exchange
from chat.notifications import Notification
from chat.services.posting import Posted
from chat.socket import intake, outbound
from chat.socket.inbound import BadFrame, MessageFrame, ResumeFrame, StopFrame, read_frame
from chat.socket.intake import Ask, Declined, Resumption
from project.lib.pool import in_database_thread
from runs.log.events import StoredEvent
from runs.log.read import read_events
from runs.sockets.connection import (
    SLOW,
    Closing,
    Connection,
    Receive,
    Scope,
    open_sockets,
)
from runs.sockets.limits import set_message_limit
from runs.sockets.outbox import FellBehind, Send

logger = logging.getLogger(__name__)

SUBJECT = "chat"
TOO_LARGE = (
    "The message was too large to process."
    " Try removing some attachments or uploading smaller files."
)
TOO_BIG = Closing(1009, "message too big", is_patient=True)
TEXT_ONLY = Closing(1003, "frames are text")
NO_LONGER_VALID = Closing(4401, "the credential counts no more")
#: Messages that wait in one socket for the run under way.
MOST_KEPT = 100


async def converse(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application. Raises an `AccountsError` before it accepts."""
    if (await receive())["type"] != "websocket.connect":
        return
    caller, most_bytes = await in_database_thread(intake.admit, scope)
    set_message_limit(scope, most_bytes, outbound.error(TOO_LARGE))
    await send({"type": "websocket.accept", "subprotocol": _chosen(scope)})
    address = (scope.get("client") or ("",))[0]
    socket = ChatSocket(caller, receive, send, address=address, most_bytes=most_bytes)
    open_sockets.add(socket, SUBJECT)
    try:
        await socket.serve(_asked_for(scope))
    finally:
        open_sockets.remove(socket, SUBJECT)


def _chosen(scope: Scope) -> str | None:
    """Browsers give up on a socket that takes none of what they offer; the token is no answer."""
    offered = scope.get("subprotocols", ())
    return next((name for name in offered if not name.startswith("bearer.")), None)


def _asked_for(scope: Scope) -> ResumeFrame | None:
    """`?session_id=…&run_id=…&after=…`: a socket that begins where another one ended."""
    query = parse_qs(scope["query_string"].decode("latin-1"))
    session_id, run_id = (query.get(name, [""])[0] for name in ("session_id", "run_id"))
    after = query.get("after", ["0"])[0]
    if not session_id or not run_id or not after.isascii() or not after.isdigit():
        return None
    return ResumeFrame(
        type="resume", session_id=session_id, run_id=run_id, after=min(int(after[:10]), 2**31)
    )


class _Stream:
    """The answer that is being delivered."""

    def __init__(self) -> None:
        self.run_id = ""  # known once a run has taken the message up
        self.ask: Ask | None = None
        self.joined: list[int] = []  # exchanges that joined its run
        self.is_stopped = False


class ChatSocket(Connection):
    admission_seconds: ClassVar[float] = 5.0
    expired: ClassVar[Closing] = NO_LONGER_VALID

    def __init__(
        self, caller: Principal, receive: Receive, send: Send, *, address: str, most_bytes: int
    ) -> None:
        super().__init__(caller, receive, send)
        self.facts = {"actor": caller.actor}
        self._address = address
        self._most_bytes = most_bytes
        self._kept: deque[Ask | Posted | Resumption] = deque()
        self._has_work = asyncio.Event()
        self._stream: _Stream | None = None
        self._asking_run = ""  # what the answer before this moment ended by asking
        self._carried: list[int] = []  # exchanges that joined it
        self._loop = asyncio.get_running_loop()

    async def serve(self, resumed: ResumeFrame | None) -> None:
        if resumed is not None:
            await self._take_up_again(resumed)
        with ExitStack() as stack:
            stack.enter_context(notifications.listening(self._hear))
            try:
                await self.serve_with(self._answer_all())
            finally:
                await self._leave_nothing_behind()

    # What comes in

    async def take(self, message: dict[str, Any]) -> None:
        text = message.get("text")
        if text is None:
            self.end(TEXT_ONLY)
            return
        # Characters first: encoding the text to count it would take as much memory again.
        if len(text) > self._most_bytes or (
            len(text) * 4 > self._most_bytes and len(text.encode()) > self._most_bytes
        ):
            self._say(outbound.error(TOO_LARGE))
            self.end(TOO_BIG)
            return
        try:
            match read_frame(text):
                case MessageFrame() as frame:
                    await self._take_message(frame)
                case ResumeFrame() as frame:
                    await self._take_up_again(frame)
                case StopFrame():
                    await self._stop()
        except BadFrame as error:
            self._say(outbound.error(f"Invalid message format: {error}"))
        except Declined as error:
            self._say(outbound.error(str(error)))

    async def _take_message(self, frame: MessageFrame) -> None:
        incoming, complaints, mode = await in_database_thread(
            intake.receive, frame, self.caller, self._address
        )
        self._say(*map(outbound.error, complaints))
        if incoming.is_blank:
            raise Declined("Invalid message format: text must not be blank")
        ask = Ask(intake.address_of(frame, self.caller), incoming)
        stream = self._stream
        if mode == "inject" and stream is not None and stream.run_id and stream.ask is not None:
            is_same = stream.ask.address == ask.address
            if is_same and not self._kept and await self._join(stream, ask):
                return
        if len(self._kept) >= MOST_KEPT:
            raise Declined("Chat error: too many messages wait for the one before them")
        self._kept.append(ask)
        self._has_work.set()

    async def _join(self, stream: _Stream, ask: Ask) -> bool:
        posted = await in_database_thread(intake.join, ask, self.caller, stream.run_id)
        if posted is None:
            return False
        stream.joined.append(posted.exchange_id)
        return True

    async def _take_up_again(self, frame: ResumeFrame) -> None:
        try:
            self._kept.append(await in_database_thread(intake.find_answer, frame, self.caller))
            self._has_work.set()
        except Declined as error:
            self._say(outbound.error(str(error)))

    async def _stop(self) -> None:
        stream = self._stream
        if stream is not None:
            stream.is_stopped = True
            if stream.run_id:
                await in_database_thread(intake.stop, stream.run_id, self.caller)
        elif self._asking_run:
            await in_database_thread(intake.stop, self._asking_run, self.caller)
            self._asking_run = ""
        else:
            raise Declined("There is nothing to stop")

    # What goes out

    def _say(self, *frames: str) -> None:
        try:
            self.outbox.put_now(frames)
        except FellBehind:
            self.end(SLOW)

    def _hear(self, news: Notification) -> None:
        """Called in whatever thread announces."""
        if news.is_for(self.caller) and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._say, outbound.notification(news))

    async def _answer_all(self) -> None:
        while True:
            await self._has_work.wait()
            while self._kept:
                await self._answer_next()
            self._has_work.clear()

    async def _answer_next(self) -> None:
        first = self._kept.popleft()
        self._stream = stream = _Stream()
        try:
            match first:
                case Ask():
                    await self._ask(stream, first)
                case Posted():
                    await self._deliver(stream, first.exchange_id, None, 0)
                case Resumption():
                    await self._deliver(stream, first.exchange_id, first.begun, first.after)
        except Declined as error:
            self._say(outbound.error(str(error)))
        finally:
            self._stream = None

    async def _ask(self, stream: _Stream, first: Ask) -> None:
        """Say it, together with what was said next in the same conversation."""
        asks = [first]
        while self._kept:
            following = self._kept[0]
            if not isinstance(following, Ask) or following.address != first.address:
                break
            asks.append(following)
            self._kept.popleft()
        stream.ask = intake.joined(asks)
        posted = await in_database_thread(
            intake.post, stream.ask, self.caller, may_wait=len(asks) > 1
        )
        begun = Begun(posted.session_id, posted.run_id, posted.after_seq) if posted.run_id else None
        await self._deliver(stream, posted.exchange_id, begun, 0)

    async def _deliver(
        self, stream: _Stream, exchange_id: int, begun: Begun | None, after: int
    ) -> None:
        """Stream an answer, its files, and then what was said during it and not used by it."""
        frames: outbound.AnswerFrames | None = None
        is_asking = False
        async with aclosing(
            answer_batches(exchange_id, deltas=True, catch_up=True, after=after, begun=begun)
        ) as batches:
            async for batch in batches:
                match batch[0]:
                    case Refused() as refused:
                        raise Declined(f"Chat error: {refused.error}")
                    case Begun() as begun:
                        frames = await self._begin(stream, begun, after)
                    case _:
                        assert frames is not None  # `Begun` comes first
                        is_recorded = any(isinstance(item, StoredEvent) for item in batch)
                        await self.outbox.put(frames.of(batch), is_history=is_recorded)
                        is_asking = isinstance(batch[-1], Settled) and batch[-1].is_awaiting_input
        assert frames is not None
        await self._send_files(frames)
        joined = [*self._carried, *stream.joined]
        self._asking_run, self._carried = "", []
        if is_asking:
            # Whether the run used what joined it shows when it goes on.
            self._asking_run, self._carried = stream.run_id, joined
        else:
            await self._look_after(stream.run_id, joined)

    async def _begin(self, stream: _Stream, begun: Begun, after: int) -> outbound.AnswerFrames:
        frames = outbound.AnswerFrames(
            begun, max(after, begun.after_seq), is_resumed=after > begun.after_seq
        )
        if frames.is_resumed:
            seen = await in_database_thread(_events_between, begun.run_id, begun.after_seq, after)
            frames.tally.add_all(seen)
        stream.run_id = begun.run_id
        await self.outbox.put([frames.start()], is_history=True)
        if stream.is_stopped:
            await in_database_thread(intake.stop, begun.run_id, self.caller)
        return frames

    async def _send_files(self, frames: outbound.AnswerFrames) -> None:
        run_id = frames.begun.run_id
        for attached in frames.tally.artifacts:
            for item in await in_database_thread(_read_files, run_id, attached):
                text = (
                    outbound.attachment(item, run_id)
                    if isinstance(item, Delivery)
                    else outbound.error(item.reason)
                )
                await self.outbox.put([text], is_history=True)

    async def _look_after(self, run_id: str, exchange_ids: Sequence[int]) -> None:
        """Texts that the run ended before using are taken up by another run: follow that."""
        for exchange_id in reversed(exchange_ids):
            exchange = await when_settled(exchange_id, run_id)
            if exchange.status != Exchange.Status.ANSWERED or exchange.run_id != run_id:
                self._kept.appendleft(Posted(exchange.pk, exchange.session_id))

    async def _leave_nothing_behind(self) -> None:
        """Post what was kept for later: who said it has no other copy."""
        kept = [item for item in self._kept if isinstance(item, Ask)]
        self._kept.clear()
        while kept:
            asks = [kept.pop(0)]
            while kept and kept[0].address == asks[0].address:
                asks.append(kept.pop(0))
            try:
                await in_database_thread(
                    intake.post, intake.joined(asks), self.caller, may_wait=True
                )
            except Declined:
                continue  # nobody is there to be told


def _events_between(run_id: str, after: int, until: int) -> list[StoredEvent]:
    return read_events(run_id, after=after, limit=max(0, until - after))


def _read_files(run_id: str, attached: dict[str, Any]) -> list[Any]:
    return list(read_deliveries(run_id, [attached]))
