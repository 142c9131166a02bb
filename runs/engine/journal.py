"""How a running run writes its log: record in memory, then make durable, then tell watchers."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Generic, Protocol, TypeVar

from project.lib.clock import now_ns
from project.lib.ids import new_ulid
from runs import news, open_text
from runs.event_types import AssistantMessageCompleted, InputRequested, Payload
from runs.live import TextDelta, hub
from runs.log.append import RunTail, Staged
from runs.log.redaction import redact_text
from runs.log.writer import GroupCommitWriter
from runs.signals import run_waiting, tell

#: Events that a run may be ahead of the disk: what it holds in memory has a bound.
MAX_AHEAD = 1_000


class Folded(Protocol):
    """A state that is the fold of its run's log."""

    terminal: Payload | None
    last: Payload | None
    lost_workers: int
    is_paused: bool

    def apply(self, payload: Payload, ts: int) -> None: ...


StateT = TypeVar("StateT", bound=Folded)


class Journal(Protocol[StateT]):
    """What a loop writes to: a live log, or a recording that is being checked."""

    state: StateT

    def record(self, payload: Payload) -> None:
        """Add one event. Durable after the next `commit`, visible in `state` at once."""
        ...

    def complete(self, final_text: str) -> None: ...

    def fail(self, error: str, error_type: str) -> None: ...

    async def commit(self) -> None:
        """Return once everything recorded so far is durable. Raises `LeaseLost`."""
        ...

    async def ask(self, request: InputRequested) -> None:
        """Put a question to a human; the run waits from here on."""
        ...

    def knows_call(self, call_id: str) -> bool:
        """Whether some call of another agent in this run has that id."""
        ...

    def elapsed_ms(self, since_ns: int) -> int:
        """Duration to record for work that began at `since_ns`."""
        ...

    def new_id(self) -> str:
        """An id that is about to be recorded."""
        ...

    def delta(self, turn_id: str, text: str, attempt: int) -> None:
        """Text for live watchers; never an event."""
        ...


class ConcurrentJournal(Journal[StateT], Protocol[StateT]):
    """A journal into which several branches of a graph record side by side, and its clock."""

    async def commit_soon(self) -> None:
        """Begin to make what is recorded durable."""
        ...

    async def turn(self, path: str) -> None:
        """Wait until the execution of that path may go on to record.

        Whoever has awaited something, so that others may have recorded, asks before it records
        again. Live nobody has to wait; a replay has the others go first who did so then.
        """
        ...

    def now_ns(self) -> int:
        """Unix ns; in a replay the time of the recording."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class LiveJournal(Generic[StateT]):
    """The journal of a run that this process holds the lease of.

    Several branches of a graph may record and commit side by side.
    """

    def __init__(self, tail: RunTail, state: StateT, writer: GroupCommitWriter) -> None:
        self.tail = tail
        self.state = state
        self._writer = writer
        self._mail: tuple[int, ...] = ()
        self._newest: asyncio.Future[None] | None = None

    def record(self, payload: Payload) -> None:
        at = now_ns()
        self.state.apply(self.tail.add(payload, at), at)
        if isinstance(payload, AssistantMessageCompleted):
            open_text.forget(self.tail.run_id, payload.turn_id)

    def complete(self, final_text: str) -> None:
        self.tail.add_completed(final_text)
        self._take_terminal()

    def fail(self, error: str, error_type: str) -> None:
        self.tail.add_failed(error, error_type)
        self._take_terminal()

    def _take_terminal(self) -> None:
        self.state.terminal = self.tail.terminal

    async def ask(self, request: InputRequested) -> None:
        self.record(request)
        await self.commit()

    def knows_call(self, call_id: str) -> bool:
        return False  # an agent that has the run to itself knows its calls

    def consume_mail(self, ids: Sequence[int]) -> None:
        """Delete these mailbox rows in the transaction of the next `commit`."""
        self._mail += tuple(ids)

    async def commit(self) -> None:
        self._submit()
        if self._newest is not None:
            # Whoever is cancelled while it waits leaves the others their commit. Commits of one
            # run end in order, so the newest stands for all.
            await asyncio.shield(self._newest)

    async def commit_soon(self) -> None:
        """Begin to make what is recorded durable, unless that is going on.

        Waits only for a disk that has fallen far behind.
        """
        if self._newest is None or self._newest.done():
            self._submit()
        elif self.tail.staged_count >= MAX_AHEAD:
            await self.commit()

    async def turn(self, path: str) -> None:
        return

    def now_ns(self) -> int:
        return now_ns()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))

    def _submit(self) -> None:
        if not self.tail.staged_count and not self._mail:
            return
        staged = self.tail.stage(self._mail)
        self._mail = ()
        self._newest = self._writer.submit(staged)
        self._newest.add_done_callback(partial(_tell_watchers, staged))

    def elapsed_ms(self, since_ns: int) -> int:
        return max(0, (now_ns() - since_ns) // 1_000_000)

    def new_id(self) -> str:
        return new_ulid()

    def delta(self, turn_id: str, text: str, attempt: int) -> None:
        run_id = self.tail.run_id
        text = redact_text(text)  # a secret in several pieces passes; the event is cleaned whole
        offset = open_text.add(run_id, turn_id, text, attempt)
        if hub.is_watched(run_id):
            hub.publish_delta(TextDelta(run_id, turn_id, text, attempt, offset))
        news.publish_delta(run_id, turn_id, text, attempt, offset)


def _tell_watchers(staged: Staged, committed: "asyncio.Future[None]") -> None:
    if not committed.cancelled() and committed.exception() is None:
        hub.publish(staged.run_id, staged.events)
        news.publish_run(staged.run_id)
        last = staged.events[-1] if staged.events else None
        if last is not None and last.kind == InputRequested.kind:  # nothing follows a question
            tell(run_waiting, run_id=staged.run_id, seq=last.seq)
