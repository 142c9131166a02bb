"""The journal of a graph's replay: concurrent work goes on in the order of the recording.

Whatever awaits something asks for its turn before it records again, and gets it when the next
recorded event is its own. So branches finish, lose and fail as they did, at any speed of the
machine.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from runs.engine.graph.recording import Recording
from runs.engine.graph.state import GraphState
from runs.engine.replay_journal import RecordingEnds, ReplayJournal
from runs.event_types import Payload, SideEffectRecorded, ToolCallScheduled
from runs.log.events import StoredEvent

#: Turns of the event loop without any progress after which there will be none: what wakes what is
#: a chain as long as branches and subgraphs are nested.
PATIENCE = 500


class Seam(Exception):
    """Here the recorded worker was cut off, or somebody stepped in: all that ran was lost."""


@dataclass(slots=True)
class _Waiter:
    path: str
    is_mine: Callable[[int], bool]  # of the position of the next event
    future: "asyncio.Future[None]"
    is_patient: bool  # never goes on before its event comes


class GraphReplayJournal(ReplayJournal[GraphState]):
    """A `ConcurrentJournal` over a recording."""

    def __init__(
        self, run_id: str, events: list[StoredEvent], state: GraphState, *, forced: bool
    ) -> None:
        super().__init__(run_id, events, state, forced=forced)
        self.recording = Recording(events)
        self._waiters: list[_Waiter] = []
        self._busy = 0

    # What comes next

    def place(self) -> int:
        """The position of the next event; that of none at the end."""
        position = self._position
        while position < len(self.events) and self._is_side_effect(position):
            position += 1
        return position

    def next_payload(self) -> Payload | None:
        place = self.place()
        return self.recording.payloads[place] if place < len(self.events) else None

    def owner(self) -> str:
        """Path of the execution that the next event is of."""
        place = self.place()
        return self.recording.owners[place] if place < len(self.events) else ""

    def is_at_seam(self) -> bool:
        place = self.place()
        return place < len(self.events) and self.recording.outside[place]

    def adopt_outside(self) -> bool:
        """Take over what came from outside here. False when nothing did."""
        adopted = False
        while self.is_at_seam():
            self.adopt()
            adopted = True
        return adopted

    def record(self, payload: Payload) -> None:
        if self.is_at_seam():
            raise Seam
        super().record(payload)

    def _advance(self, payload: Payload, ts: int) -> None:
        super()._advance(payload, ts)
        self._wake()

    def new_id(self) -> str:
        payload = self.next_payload()
        if isinstance(payload, ToolCallScheduled):
            return payload.call_id
        return str(getattr(payload, "turn_id", ""))

    def knows_call(self, call_id: str) -> bool:
        return self.state.knows_call(call_id)

    # Time

    def now_ns(self) -> int:
        place = min(self.place(), len(self.events) - 1)
        return self.events[place].ts

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)

    # Turns

    async def commit_soon(self) -> None:
        return

    async def turn(self, path: str) -> None:
        await self.until(path, lambda place: self.recording.owners[place] == path)

    async def until(
        self, path: str, is_mine: Callable[[int], bool], *, is_patient: bool = False
    ) -> None:
        """Wait for an event that the execution of `path` is about to record, or to know of.

        Returns without it when everybody waits, unless patient: what the execution does instead
        is the divergence. Raises `Seam` where the recorded worker came no further, `RecordingEnds`
        at the end.
        """
        if self._is_next(is_mine):
            return
        waiter = _Waiter(path, is_mine, asyncio.get_running_loop().create_future(), is_patient)
        self._waiters.append(waiter)
        try:
            await waiter.future
        finally:
            self._waiters.remove(waiter)
        self._is_next(is_mine)

    def _is_next(self, is_mine: Callable[[int], bool]) -> bool:
        place = self.place()
        if place >= len(self.events):
            raise RecordingEnds
        if self.recording.outside[place]:
            raise Seam
        return is_mine(place)

    def _wake(self) -> None:
        place = self.place()
        is_over = place >= len(self.events) or self.recording.outside[place]
        for waiter in self._waiters:
            if not waiter.future.done() and (is_over or waiter.is_mine(place)):
                waiter.future.set_result(None)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Something outside the event loop is waited for: no sign of being stuck."""
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1

    async def watch(self, work: "asyncio.Future[None]") -> None:
        """Return when `work` is done, or when nobody can come to the next event any more."""
        idle, seen = 0, self._position
        while not work.done():
            await asyncio.sleep(0.001 if self._busy else 0)
            if self._busy or self._position != seen:
                idle, seen = 0, self._position
                continue
            idle += 1
            if idle < PATIENCE:
                continue
            if not self._let_one_go_on():
                return
            idle = 0

    def _let_one_go_on(self) -> bool:
        """Whoever waits for a turn that never comes says with its next event what is different.

        First those of whom nothing more is recorded: they may have nothing to say but that they
        wait as well.
        """
        ahead = set(self.recording.owners[self.place() :])
        waiting = [one for one in self._waiters if not one.is_patient and not one.future.done()]
        if not waiting:
            return False
        min(waiting, key=lambda one: one.path in ahead).future.set_result(None)
        return True

    def _is_side_effect(self, position: int) -> bool:
        return isinstance(self.recording.payloads[position], SideEffectRecorded)
