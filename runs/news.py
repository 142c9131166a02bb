"""News between processes over Redis pub/sub: nudges, live text, and commands to engines.

Everything here may be lost without harm. Streams read the log, engines look at their leases, and
both do so every now and then unasked; news only makes it sooner. Without `REDIS_URL` nothing is
sent and `runs.watching` alone carries the load.
"""

import asyncio
import functools
import logging
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import orjson
import redis
import redis.asyncio
from django.conf import settings

from project.lib.tasks import end_if_cancelled
from runs import open_text
from runs.live import NUDGE, Hub, TextDelta

logger = logging.getLogger(__name__)

#: What waits to be sent at most; beyond it news is dropped, as it may be.
MAX_WAITING = 10_000
RECONNECT_SECONDS = 1.0


class EngineNews(Protocol):
    """What control news may ask of an engine."""

    def wake(self) -> None: ...

    def drop(self, run_id: str) -> None: ...

    def tell_mail(self, run_id: str) -> None: ...


def _control_channel() -> str:
    return f"{settings.STARPORT_REDIS_PREFIX}:news:control"


def _topic_channel(topic: str) -> str:
    return f"{settings.STARPORT_REDIS_PREFIX}:news:topic:{topic}"


def _run_channel(run_id: str) -> str:
    return f"{settings.STARPORT_REDIS_PREFIX}:news:run:{run_id}"


class _Publisher:
    """A thread that sends what others leave with it, many at a time."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[tuple[str, bytes]] = queue.Queue(MAX_WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def send(self, channel: str, message: bytes) -> None:
        if self._thread is None:
            self._start()
        try:
            self._waiting.put_nowait((channel, message))
        except queue.Full:
            logger.debug("news dropped")

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="news", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        client = redis.Redis.from_url(settings.REDIS_URL)
        while True:
            batch = [self._waiting.get()]
            while len(batch) < 500:
                try:
                    batch.append(self._waiting.get_nowait())
                except queue.Empty:
                    break
            try:
                with client.pipeline(transaction=False) as pipe:
                    for channel, message in _distinct(batch):
                        pipe.publish(channel, message)
                    pipe.execute()
            except redis.RedisError as error:
                logger.warning("news could not be sent: %s", type(error).__name__)


def _distinct(batch: Sequence[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """Several nudges of a run are one. Not so pieces of text: models repeat themselves."""
    nudged: set[str] = set()
    for channel, message in batch:
        if message == _NUDGE:
            if channel in nudged:
                continue
            nudged.add(channel)
        yield channel, message


_publisher = _Publisher()


@functools.cache  # read once: this is asked at every commit
def _is_on() -> bool:
    return bool(settings.REDIS_URL)


_NUDGE = b'{"kind":"nudge"}'


def publish_run(run_id: str) -> None:
    """The run's log or row changed."""
    if _is_on():
        _publisher.send(_run_channel(run_id), _NUDGE)


def publish_delta(
    run_id: str, turn_id: str, text: str, attempt: int, offset: int, *, is_catch_up: bool = False
) -> None:
    """Text that streams now, or did before somebody asked (`TextDelta.is_catch_up`)."""
    if _is_on():
        message = {
            "kind": "delta",
            "turn_id": turn_id,
            "text": text,
            "attempt": attempt,
            "offset": offset,
            "is_catch_up": is_catch_up,
        }
        _publisher.send(_run_channel(run_id), orjson.dumps(message))


def publish_control(kind: str, run_id: str) -> None:
    """For whoever executes the run: pending, cancelled, mail, or text: tell what streams so far."""
    if _is_on():
        _publisher.send(_control_channel(), orjson.dumps({"kind": kind, "run_id": run_id}))


def publish_topic(topic: str, message: bytes) -> None:
    """Something for those of other processes who `hear` that topic."""
    if _is_on():
        _publisher.send(_topic_channel(topic), message)


_hearing: dict[str, Callable[[bytes], None]] = {}  # by topic


def hear(topic: str, take: Callable[[bytes], None]) -> None:
    """Have `take` called with what any process publishes; say so before a `Listener` runs."""
    _hearing[topic] = take


class Listener:
    """Receives news for the watchers of a hub and, when there is one, for an engine."""

    def __init__(self, hub: Hub, engine: EngineNews | None) -> None:
        self._hub = hub
        self._engine = engine
        self._interest: asyncio.Queue[tuple[str, bool]] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()

    async def run(self) -> None:
        """Listen until cancelled; reconnects by itself."""
        self._hub.on_interest = self._note_interest
        try:
            while True:
                try:
                    await self._listen()
                except redis.RedisError as error:
                    logger.warning("news connection lost: %s", type(error).__name__)
                    end_if_cancelled()
                await asyncio.sleep(RECONNECT_SECONDS)
        finally:
            self._hub.on_interest = None

    def _note_interest(self, run_id: str, is_watched: bool) -> None:
        self._loop.call_soon_threadsafe(self._interest.put_nowait, (run_id, is_watched))

    async def _listen(self) -> None:
        client = redis.asyncio.Redis.from_url(settings.REDIS_URL)
        try:
            async with client.pubsub() as subscription:
                # Always subscribed to something: an idle subscription could not be read from.
                channels = [_control_channel(), *map(_topic_channel, _hearing)]
                channels += map(_run_channel, self._hub.watched())
                await subscription.subscribe(*channels)
                end_if_cancelled()  # the client waits with `wait_for`, here and below
                for run_id in self._hub.watched():
                    self._hub.publish(run_id, (NUDGE,))  # whatever happened while we were deaf
                interest = asyncio.create_task(self._keep_subscribed(subscription))
                try:
                    async for message in subscription.listen():
                        if message["type"] == "message":
                            self._take_or_log(message["channel"].decode(), message["data"])
                finally:
                    interest.cancel()
        finally:
            await client.aclose()

    async def _keep_subscribed(self, subscription: Any) -> None:
        while True:
            run_id, is_watched = await self._interest.get()
            if is_watched:
                await subscription.subscribe(_run_channel(run_id))
                end_if_cancelled()
                # The run may have moved between the stream's first read and this subscription.
                self._hub.publish(run_id, (NUDGE,))
                publish_control("text", run_id)
            elif not self._hub.is_watched(run_id):
                await subscription.unsubscribe(_run_channel(run_id))
                end_if_cancelled()

    def _take_or_log(self, channel: str, data: bytes) -> None:
        """Another version may have sent it; whoever fails at one piece of news hears the next."""
        try:
            self._take(channel, data)
        except Exception:
            logger.exception("news could not be taken", extra={"channel": channel})

    def _take(self, channel: str, data: bytes) -> None:
        for topic, take in _hearing.items():
            if channel == _topic_channel(topic):
                take(data)
                return
        message = orjson.loads(data)
        if channel == _control_channel():
            self._take_control(message["kind"], message["run_id"])
            return
        run_id = channel.rpartition(":")[2]
        if message["kind"] == "delta":
            self._hub.publish_delta(
                TextDelta(
                    run_id,
                    message["turn_id"],
                    message["text"],
                    message["attempt"],
                    message["offset"],
                    message["is_catch_up"],
                )
            )
        else:
            self._hub.publish(run_id, (NUDGE,))

    def _take_control(self, kind: str, run_id: str) -> None:
        if kind == "text":
            for turn_id, attempt, text in open_text.so_far(run_id):
                publish_delta(run_id, turn_id, text, attempt, 0, is_catch_up=True)
        if self._engine is None:
            return
        if kind == "cancelled":
            self._engine.drop(run_id)
        elif kind == "mail":
            self._engine.tell_mail(run_id)
        elif kind == "pending":
            self._engine.wake()
