"""The append: how facts enter a log, and the only code that inserts into `runs_event`.

A `RunTail` numbers, hashes and projects events in memory; `commit` makes what it staged durable
in one transaction, fenced by the head it was computed from. Two ways in share it: services append
under the row lock (`append_locked`), the engine through the group-commit writer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from django.db import transaction

from project.lib.clock import now_ns
from project.lib.ids import new_ulid
from project.lib.sql import Row
from runs import artifacts
from runs.errors import LeaseLost, RunAlreadyFinished
from runs.event_types import Payload, RunCancelled, RunCompleted, RunFailed
from runs.log import milestones
from runs.log.chain import MerkleTree, hash_event, run_id_field
from runs.log.events import StoredEvent
from runs.log.projection import Projection
from runs.log.redaction import redact_payload
from runs.log.statements import (
    COMPLETE,
    MILESTONE,
    PROGRESS,
    RELEASE,
    HeadUpdate,
    insert_events,
    insert_external,
)
from runs.models import Event, MailboxItem, Run

#: Payloads above this many bytes are kept by the artifact store.
INLINE_LIMIT = 64 * 1024

_read = {update: attrgetter(*update.columns) for update in (PROGRESS, MILESTONE, RELEASE, COMPLETE)}


@dataclass(slots=True)
class Staged:
    """Events ready to commit, with the head they follow and the row update they imply.

    Never changed. Like `StoredEvent` not frozen, which every append would pay.
    """

    run_id: str
    lease_token: str
    events: tuple[StoredEvent, ...]
    update: HeadUpdate
    update_values: tuple[Any, ...]
    consumed_mail: tuple[int, ...] = ()  # mailbox rows whose effect these events are


class MailWaiting(LeaseLost):
    """A run may not complete: mail came in. Nothing was written, and the lease still holds."""

    def __init__(self, refused: Staged) -> None:
        super().__init__(f"mail came in before run {refused.run_id} could complete")
        self.refused = refused


@dataclass(slots=True)
class RunTail:
    """The end of one run's log, held in memory by whoever may append to it.

    After a failed commit the tail no longer matches the database and must be dropped.
    """

    run_id: str
    lease_token: str = ""
    projection: Projection = field(default_factory=Projection)
    tree: MerkleTree = field(default_factory=MerkleTree)  # over the hashes of all events
    terminal: Payload | None = None
    _staged: list[StoredEvent] = field(default_factory=list)
    _staged_from: int = 0
    _is_milestone: bool = False
    _run_field: bytes = b""

    def __post_init__(self) -> None:
        self._run_field = run_id_field(self.run_id)
        self._staged_from = self.projection.head_seq

    @classmethod
    def load(cls, run: Run, *, lease_token: str | None = None) -> "RunTail":
        """The tail of a stored run. The caller holds its row lock or its lease."""
        token = run.lease_token if lease_token is None else lease_token
        tail = cls(run.id, token, Projection.of_run(run))
        hashes = Event.objects.filter(run_id=run.id).order_by("seq").values_list("hash", flat=True)
        for row in hashes:
            tail.tree.add(bytes(row))
        return tail

    def add(self, payload: Payload, ts: int | None = None) -> Payload:
        """Number, chain and project one event. Returns the payload as recorded, secrets removed.

        Raises `RunAlreadyFinished` after the terminal event and `CodecError` for a value without
        canonical form; the tail is unchanged then.
        """
        projection = self.projection
        if projection.terminal_kind is not None:
            raise RunAlreadyFinished(f"run {self.run_id} has ended")
        encoded = payload.encode()
        redacted = redact_payload(payload, encoded)
        if redacted is not None:
            payload, encoded = redacted, redacted.encode()
        seq = projection.head_seq + 1
        at = now_ns() if ts is None else ts
        previous = projection.head_hash
        digest = hash_event(
            self._run_field, ts=at, seq=seq, kind=payload.kind, payload=encoded, prev_hash=previous
        )
        before = (projection.status, projection.wake_ns)
        projection.apply(payload, seq=seq, ts=at, event_hash=digest)
        if seq == 1 or (projection.status, projection.wake_ns) != before:
            self._is_milestone = True
        if payload.is_terminal:
            self.terminal = payload
        self.tree.add(digest)
        self._staged.append(
            StoredEvent(self.run_id, seq, previous, at, payload.kind, encoded, digest)
        )
        return payload

    def add_completed(self, final_text: str) -> None:
        """Close the run successfully; totals and root are those of the log so far."""
        at = now_ns()
        self.add(self.completed(final_text, at), at)

    def add_failed(self, error: str, error_type: str) -> None:
        at = now_ns()
        self.add(self.failed(error, error_type, at), at)

    def add_cancelled(self, reason: str) -> None:
        at = now_ns()
        self.add(RunCancelled(reason, self.tree.root(), self._elapsed_ms(at)), at)

    def completed(self, final_text: str, at: int) -> RunCompleted:
        """The RunCompleted that would close the log at `at`."""
        log = self.projection
        return RunCompleted(
            final_text=final_text,
            turn_count=log.turn_count,
            tool_call_count=log.tool_call_count,
            total_cost_usd=log.cost_usd,
            total_input_tokens=log.input_tokens,
            total_output_tokens=log.output_tokens,
            duration_ms=self._elapsed_ms(at),
            merkle_root=self.tree.root(),
        )

    def failed(self, error: str, error_type: str, at: int) -> RunFailed:
        """The RunFailed that would close the log at `at`."""
        return RunFailed(error, error_type, self.tree.root(), self._elapsed_ms(at))

    def _elapsed_ms(self, at: int) -> int:
        started = self.projection.started_ns
        return 0 if started is None else max(0, (at - started) // 1_000_000)

    @property
    def staged_count(self) -> int:
        return len(self._staged)

    def stage(self, consumed_mail: tuple[int, ...] = ()) -> Staged:
        """Hand over what was added since the last call."""
        log = self.projection
        update = PROGRESS
        if self._is_milestone:
            update = MILESTONE
            if log.terminal_kind == RunCompleted.kind:
                update = COMPLETE
            elif log.status != Run.Status.RUNNING or log.wake_ns is not None:
                update = RELEASE
        staged = Staged(
            run_id=self.run_id,
            lease_token=self.lease_token,
            events=tuple(self._staged),
            update=update,
            update_values=(*_read[update](log), self.run_id, self._staged_from, self.lease_token),
            consumed_mail=consumed_mail,
        )
        self._staged = []
        self._staged_from = log.head_seq
        self._is_milestone = False
        return staged


def commit(batch: Iterable[Staged]) -> None:
    """Write staged appends inside the caller's transaction.

    Raises `LeaseLost` if any run's head, lease or end is not what its tail assumed; the caller
    rolls back, since some rows of the batch may be in.
    """
    staged = list(batch)
    mail = [mail_id for item in staged for mail_id in item.consumed_mail]
    if mail:
        MailboxItem.objects.filter(pk__in=mail).delete()
    updates: dict[HeadUpdate, list[Row]] = {}
    for item in staged:
        updates.setdefault(item.update, []).append(item.update_values)
    rows: list[Row] = []
    external: list[Row] = []
    for item in staged:
        for event in item.events:
            rows.append(_row(event, external))
    for update, values in updates.items():
        if update.execute(values) != len(values):
            raise _refusal(staged)
    insert_events(rows)
    if external:
        insert_external(external)
    if updates.keys() != {PROGRESS}:
        transaction.on_commit(milestones.note)


def _refusal(staged: Sequence[Staged]) -> LeaseLost:
    """Why the rows were not as their tails assumed; exact for a batch of one."""
    item = staged[0]
    if len(staged) == 1 and item.update is COMPLETE:
        holds = Run.objects.filter(
            pk=item.run_id, lease_token=item.lease_token, terminal_kind__isnull=True
        )
        if holds.exists() and MailboxItem.objects.filter(run_id=item.run_id).exists():
            return MailWaiting(item)
    return LeaseLost("another worker has this run, or it has ended")


def _row(event: StoredEvent, external: list[Row]) -> Row:
    payload = event.payload
    if payload is not None and len(payload) > INLINE_LIMIT:
        # Written before the commit that refers to it: a crash leaves an orphan, never a hole.
        digest = artifacts.put(payload)
        external.append((event.run_id, event.seq, digest, len(payload)))
        payload = None
    return (event.run_id, event.seq, event.prev_hash, event.ts, event.kind, payload, event.hash)


def append_locked(run: Run, payloads: Sequence[Payload]) -> tuple[StoredEvent, ...]:
    """Append for a service. The caller is inside a transaction and holds `run`'s row lock.

    Whatever lease there was is taken over by this append: its holder's next append is refused.
    """
    tail = take_tail(run)
    for payload in payloads:
        tail.add(payload)
    return commit_tail(tail)


def take_tail(run: Run) -> RunTail:
    """Fence off the lease holder and return the tail. The caller holds `run`'s row lock."""
    token = new_ulid()
    Run.objects.filter(pk=run.pk).update(lease_token=token)
    return RunTail.load(run, lease_token=token)


def commit_tail(tail: RunTail) -> tuple[StoredEvent, ...]:
    """Commit what `tail` staged, inside the caller's transaction."""
    staged = tail.stage()
    commit([staged])
    return staged.events
