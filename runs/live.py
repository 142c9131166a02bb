"""Telling open streams. The hub delivers within this process; the log is the only full copy.

Committed events are handed to watchers as objects, so an event is decoded and serialised once
however many watch. A watcher that falls behind loses its buffer, not the events: it is told to
read the log again.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from runs import open_text
from runs.log.events import StoredEvent

#: Items a watcher may lag before it has to go back to the log.
BUFFER = 512


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of text as the model streams it. Not an event: who reconnects misses it."""

    run_id: str
    turn_id: str
    text: str
    attempt: int = 1
    offset: int = 0  # characters of this attempt that came before
    is_catch_up: bool = False  # what streamed before somebody came; others have it already


@dataclass(frozen=True, slots=True)
class Nudge:
    """Something about the run changed; read the log (and the row) again."""


NUDGE = Nudge()
Item = StoredEvent | TextDelta | Nudge


@dataclass(eq=False)
class Watcher:
    """One open stream's mailbox. Use from the event loop it was made in."""

    run_id: str
    wants_deltas: bool
    wants_catch_up: bool
    loop: asyncio.AbstractEventLoop
    _items: deque[Item] = field(default_factory=deque)
    _waiter: "asyncio.Future[None] | None" = None
    _silent_at: float = 0.0  # of the loop's clock: when whoever waits has waited long enough
    _timer: asyncio.TimerHandle | None = None

    def offer(self, items: Sequence[Item]) -> None:
        """Called in the watcher's own loop."""
        queue = self._items
        if len(queue) + len(items) > BUFFER:
            queue.clear()
            queue.append(NUDGE)
        else:
            queue.extend(items)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def next_items(self, timeout_seconds: float) -> list[Item]:
        """What has arrived; waits for the first. Empty after `timeout_seconds` of silence.

        A watcher waits equally long each time: its one timer is not set anew for each delivery.
        """
        if not self._items:
            self._silent_at = self.loop.time() + timeout_seconds
            if self._timer is None:
                self._timer = self.loop.call_at(self._silent_at, self._on_timer)
            self._waiter = self.loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        items = list(self._items)
        self._items.clear()
        return items

    def _on_timer(self) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return  # the next wait sets it
        if self.loop.time() < self._silent_at:
            self._timer = self.loop.call_at(self._silent_at, self._on_timer)
        else:
            self._waiter.set_result(None)

    def close(self) -> None:
        """Nobody waits any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Hub:
    """Watchers of this process by run. Publishing is thread-safe and costs nothing unwatched."""

    def __init__(self) -> None:
        self._watchers: dict[str, list[Watcher]] = {}
        self._published: dict[str, int] = {}  # of watched runs, the last seq that came by here
        self._lock = threading.Lock()
        # Told when a run gets its first watcher here, and when it loses its last.
        self.on_interest: Callable[[str, bool], None] | None = None

    @contextmanager
    def watch(
        self, run_id: str, *, deltas: bool = False, catch_up: bool = False
    ) -> Iterator[Watcher]:
        """With `catch_up`, text that streams now comes from its beginning, perhaps repeatedly:
        offsets tell what of it is known."""
        watcher = Watcher(run_id, deltas, catch_up, asyncio.get_running_loop())
        with self._lock:
            mine = self._watchers.setdefault(run_id, [])
            mine.append(watcher)
            is_first = len(mine) == 1
        if catch_up:
            for turn_id, attempt, text in open_text.so_far(run_id):
                watcher.offer((TextDelta(run_id, turn_id, text, attempt, 0, True),))
        if is_first or catch_up:
            self._tell_interest(run_id, True)
        try:
            yield watcher
        finally:
            watcher.close()
            with self._lock:
                mine = self._watchers[run_id]
                mine.remove(watcher)
                if not mine:
                    del self._watchers[run_id]
                    self._published.pop(run_id, None)
            if not mine:
                self._tell_interest(run_id, False)

    def _tell_interest(self, run_id: str, is_watched: bool) -> None:
        if self.on_interest is not None:
            self.on_interest(run_id, is_watched)

    def watched(self) -> list[str]:
        """Ids of the runs that somebody watches here."""
        with self._lock:
            return list(self._watchers)

    def is_watched(self, run_id: str) -> bool:
        return run_id in self._watchers

    def published_seq(self, run_id: str) -> int:
        """How far the log of a watched run came by here; 0 when nothing of it did."""
        return self._published.get(run_id, 0)

    def publish(self, run_id: str, items: Sequence[Item]) -> None:
        """Hand committed events, or a nudge, to everyone who watches `run_id` here."""
        if run_id not in self._watchers:
            return
        last = items[-1] if items else None
        with self._lock:
            watchers = list(self._watchers.get(run_id, ()))
            if watchers and isinstance(last, StoredEvent):
                self._published[run_id] = last.seq
        try:
            current = asyncio.get_running_loop()
        except RuntimeError:
            current = None
        for watcher in watchers:
            if watcher.loop is current:
                watcher.offer(items)
            else:
                _offer_across(watcher, items)

    def publish_delta(self, delta: TextDelta) -> None:
        """Text that streams now. Called in the loop that serves the streams, or dropped."""
        watchers = self._watchers.get(delta.run_id)
        if not watchers:
            return
        current = asyncio.get_running_loop()
        for watcher in watchers:
            if not watcher.wants_deltas or (delta.is_catch_up and not watcher.wants_catch_up):
                continue
            if watcher.loop is current:  # waking a loop from outside costs a system call
                watcher.offer((delta,))
            else:
                _offer_across(watcher, (delta,))


def _offer_across(watcher: Watcher, items: Sequence[Item]) -> None:
    try:
        watcher.loop.call_soon_threadsafe(watcher.offer, items)
    except RuntimeError:
        return  # its loop has closed; the stream is gone with it


hub = Hub()
