"""Following a run: the one generator behind SSE, sockets, the inspector and the command line."""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from django.conf import settings

from project.lib.pool import in_database_thread
from runs import live
from runs.event_types import AssistantMessageCompleted
from runs.live import TextDelta, hub
from runs.log.events import StoredEvent
from runs.log.read import read_events

PAGE = 500
#: How long an open stream may outlive the revocation of its key, where heartbeats are as frequent.
_ADMISSION_SECONDS = 10.0

Item = StoredEvent | TextDelta


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Nothing happened for a while, or something other than an event did: look at the run's row."""


HEARTBEAT = Heartbeat()


def admission_seconds() -> float:
    """How often an open stream asks whether its caller would still be let in."""
    return min(_ADMISSION_SECONDS, settings.STARPORT_STREAM_HEARTBEAT_SECONDS)


async def follow(
    run_id: str, after: int = 0, *, deltas: bool = False
) -> AsyncIterator[Item | Heartbeat]:
    """Events with seq > `after`, each once and in order, until the terminal one.

    Starts with the log, goes on live, and reads the log again whenever the live side skips. Ends
    after the terminal event; a run that has none yet is followed for as long as the caller likes.
    """
    async with aclosing(follow_batches(run_id, after, deltas=deltas)) as batches:
        async for batch in batches:
            if not batch:
                yield HEARTBEAT
            for item in batch:
                yield item


async def follow_batches(
    run_id: str,
    after: int = 0,
    *,
    deltas: bool = False,
    catch_up: bool = False,
    begin: Callable[[], Awaitable[None]] | None = None,
) -> AsyncGenerator[list[Item], None]:
    """`follow`, with everything that is ready at a time in one list.

    An empty list is the heartbeat: the log has nothing new, but the row may. `begin` starts the
    run, or lets it go on, once it is watched, so that no delta is missed; a heartbeat follows. With
    `catch_up` the text that streams at that moment comes from its beginning, see `Hub.watch`.
    """
    silence = settings.STARPORT_STREAM_HEARTBEAT_SECONDS
    with hub.watch(run_id, deltas=deltas, catch_up=catch_up) as watcher:
        if begin is not None:
            await begin()
            yield []
        # Watching began before the first read: an event committed in between arrives twice, not
        # Of a run that `begin` let go on, nothing can have been missed before.
        cursor = _Cursor(run_id, after, deltas, must_read=begin is None)
        while True:
            if cursor.must_read:
                batch = await cursor.read()
            elif cursor.is_behind:
                batch = cursor.take()
            else:
                batch = cursor.take(await watcher.next_items(silence))
            if batch or cursor.has_only_a_nudge():
                yield batch
            if cursor.is_at_end:
                return


@dataclass(slots=True)
class _Cursor:
    """How far a follower has come, and whether only the log can bring it further."""

    run_id: str
    seq: int
    wants_deltas: bool
    must_read: bool = True
    is_nudged: bool = False  # something other than an event happened
    is_at_end: bool = False  # the terminal event was delivered
    _arrived: deque[live.Item] = field(default_factory=deque)
    _said: set[str] = field(default_factory=set)  # turns whose whole text was delivered

    async def read(self) -> list[Item]:
        """The next page of the log."""
        page = await in_database_thread(read_events, self.run_id, after=self.seq, limit=PAGE)
        for event in page:
            self._advance(event)
        self.must_read = len(page) == PAGE and not self.is_at_end
        self.is_nudged = self.is_nudged and not page  # events say what happened
        return list(page)

    @property
    def is_behind(self) -> bool:
        """Whether items have arrived that were not looked at, because the log came first."""
        return bool(self._arrived)

    def take(self, arrived: Sequence[live.Item] | None = None) -> list[Item]:
        """What of the live items comes next, as far as none is missing before them."""
        if arrived is not None and not arrived:
            # A lost nudge costs at most one heartbeat.
            self.must_read = self.is_nudged = True
        self._arrived.extend(arrived or ())
        batch: list[Item] = []
        while self._arrived and not self.must_read:
            item = self._arrived.popleft()
            if isinstance(item, TextDelta):
                # It may have waited while the log was read, which has the whole text.
                if item.turn_id not in self._said:
                    batch.append(item)
            elif not isinstance(item, StoredEvent):
                self.must_read = self.is_nudged = True
            elif item.seq == self.seq + 1:
                self._advance(item)
                batch.append(item)
            elif item.seq > self.seq:
                self.must_read = True
        return batch

    def has_only_a_nudge(self) -> bool:
        """Whether something happened that the log, read since, does not tell. Answers once."""
        is_due = self.is_nudged and not self.must_read
        self.is_nudged = self.is_nudged and self.must_read
        return is_due

    def _advance(self, event: StoredEvent) -> None:
        self.seq = event.seq
        self.is_at_end = event.is_terminal
        if self.wants_deltas and event.kind == AssistantMessageCompleted.kind:
            self._said.add(event.data.get("turn_id", ""))
