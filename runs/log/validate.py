"""Does a log hang together? One pass that names the first break.

The order of checks within an event is the contract's (spec/starling.md §2.6); on top of it every
stored hash must be the hash of its row, and a payload may be absent only with its redaction record.
A log without a terminal event is checked as far as it goes and reported as in progress.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from runs.event_types import KIND_NUMBERS, TERMINAL_KINDS
from runs.log.chain import hash_event, merkle_root, run_id_field
from runs.log.codec import CodecError, decode
from runs.log.events import StoredEvent
from runs.log.read import redacted_seqs, walk_events
from runs.models import Run

_RUN_STARTED = KIND_NUMBERS["RunStarted"]
_TURN_STARTED = KIND_NUMBERS["TurnStarted"]
_ASSISTANT = KIND_NUMBERS["AssistantMessageCompleted"]
_SCHEDULED = KIND_NUMBERS["ToolCallScheduled"]
_COMPLETED = KIND_NUMBERS["ToolCallCompleted"]
_FAILED = KIND_NUMBERS["ToolCallFailed"]
_BUDGET = KIND_NUMBERS["BudgetExceeded"]
_RUN_COMPLETED = KIND_NUMBERS["RunCompleted"]
#: Whatever was under way before these is not any more.
_BEGIN_ANEW = frozenset((KIND_NUMBERS["RunResumed"], KIND_NUMBERS["RunRewound"]))

_PAIRED = frozenset((_TURN_STARTED, _ASSISTANT, _SCHEDULED, _COMPLETED, _FAILED, _BUDGET))
#: A node that fails, or a branch that is cancelled, may leave a turn open.
_NODE_ENDS = frozenset((KIND_NUMBERS["NodeFailed"], KIND_NUMBERS["BranchFinished"]))
_DECODED = _PAIRED | _NODE_ENDS | TERMINAL_KINDS | {_RUN_STARTED}

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """`status` is valid, invalid or in_progress; the rest says where and why it is invalid."""

    status: str
    reason: str = ""  # a code of the contract, e.g. prev_hash_mismatch
    seq: int = 0
    detail: str = ""

    @property
    def is_valid(self) -> bool:
        return self.status == "valid"

    def __str__(self) -> str:
        if self.status != "invalid":
            return self.status
        where = f" at seq {self.seq}" if self.seq else ""
        detail = f": {self.detail}" if self.detail else ""
        return f"{self.reason}{where}{detail}"


class _Broken(Exception):
    def __init__(self, reason: str, seq: int, detail: str = "") -> None:
        super().__init__(reason)
        self.verdict = Verdict("invalid", reason, seq, detail)


@dataclass(slots=True)
class _Pass:
    """What one pass over a log carries along."""

    run_id: str
    redacted: frozenset[int] | None  # asked of the database when `None`, once it matters
    run_field: bytes = b""
    leaves: list[bytes] = field(default_factory=list)
    last: StoredEvent | None = None
    root: Any = None
    turns: dict[str, str] = field(default_factory=dict)  # open ones, by path of their node
    calls: set[tuple[str, int]] = field(default_factory=set)
    pairing: bool = True  # off once a redacted event hid a turn or a call

    def verdict_on(self, events: Iterable[StoredEvent]) -> Verdict:
        check = self.check
        try:
            for event in events:
                check(event)
            return self.finish()
        except _Broken as broken:
            return broken.verdict

    def check(self, event: StoredEvent) -> None:
        self._check_position(event)
        self._check_hash(event)
        kind = event.kind
        data = self._decoded(event) if kind in _DECODED else None
        if event.seq == 1:
            _check_first(event, data)
        if kind in _BEGIN_ANEW:
            self.turns.clear()
            self.calls.clear()
        elif data is None:
            pass
        elif kind in _PAIRED:
            if self.pairing:
                self._check_pairs(event, data)
        elif kind in _NODE_ENDS:
            self._close_turns(data.get("path", ""))
        elif kind in TERMINAL_KINDS:
            self.root = data.get("merkle_root")
        self.leaves.append(event.hash)
        self.last = event

    def _check_position(self, event: StoredEvent) -> None:
        previous = self.last
        if previous is None:
            if event.seq != 1 or event.prev_hash is not None:
                raise _Broken("bad_genesis", event.seq)
            return
        if event.seq != previous.seq + 1:
            raise _Broken("seq_gap", event.seq, f"expected seq {previous.seq + 1}")
        if event.prev_hash != previous.hash:
            raise _Broken("prev_hash_mismatch", event.seq)
        if previous.kind in TERMINAL_KINDS:
            raise _Broken("early_terminal", previous.seq)

    def _check_hash(self, event: StoredEvent) -> None:
        payload = event.payload
        if payload is None:
            if self.redacted is None:
                self.redacted = redacted_seqs(self.run_id)
            if event.seq not in self.redacted:
                raise _Broken("payload_missing", event.seq)
            return
        computed = hash_event(
            self.run_field,
            ts=event.ts,
            seq=event.seq,
            kind=event.kind,
            payload=payload,
            prev_hash=event.prev_hash,
        )
        if computed != event.hash:
            raise _Broken("hash_mismatch", event.seq)

    def _decoded(self, event: StoredEvent) -> dict[str, Any] | None:
        if event.payload is None:
            self.pairing = self.pairing and event.kind not in _PAIRED | _NODE_ENDS
            return None
        try:
            data = decode(event.payload)
        except CodecError as error:
            raise _Broken("bad_payload", event.seq, str(error)) from None
        if not isinstance(data, dict):
            raise _Broken("bad_payload", event.seq, "not a map")
        return data

    def _check_pairs(self, event: StoredEvent, data: dict[str, Any]) -> None:
        if event.kind in (_TURN_STARTED, _ASSISTANT, _BUDGET):
            self._check_turn(event, data.get("turn_id", ""), data.get("path", ""))
            return
        call = (data.get("call_id", ""), data.get("attempt", 1))
        if event.kind == _SCHEDULED:
            if call in self.calls:
                raise _Broken("duplicate_call", event.seq, call[0])
            self.calls.add(call)
        elif call in self.calls:
            self.calls.remove(call)
        else:
            raise _Broken("orphan_outcome", event.seq, call[0])

    def _check_turn(self, event: StoredEvent, turn: str, path: str) -> None:
        """Nodes side by side may each have a turn open, one at a time."""
        if event.kind == _TURN_STARTED:
            if not turn or path in self.turns:
                raise _Broken("turn_not_closed" if turn else "turn_mismatch", event.seq)
            self.turns[path] = turn
            return
        if event.kind == _BUDGET and not turn:
            self.turns.pop(path, None)
            return
        at: str | None = path
        if self.turns.get(path) != turn:  # of nodes side by side: an answer does not name its node
            at = next((at for at, open_turn in self.turns.items() if open_turn == turn), None)
        if at is None:
            raise _Broken("turn_mismatch", event.seq)
        del self.turns[at]

    def _close_turns(self, path: str) -> None:
        """A node that failed or was cancelled leaves its turn without an answer."""
        for at in [at for at in self.turns if at == path or at.startswith(f"{path}:")]:
            del self.turns[at]

    def finish(self) -> Verdict:
        last = self.last
        if last is None:
            raise _Broken("empty", 0)
        if last.kind not in TERMINAL_KINDS:
            return Verdict("in_progress")
        if last.kind == _RUN_COMPLETED and self.pairing:
            if self.turns:
                raise _Broken("open_turn", last.seq, min(self.turns.values()))
            if self.calls:
                raise _Broken("open_call", last.seq, min(self.calls)[0])
        if last.payload is not None and self.root != merkle_root(self.leaves[:-1]):
            raise _Broken("merkle_mismatch", last.seq)
        return Verdict("valid")


def _check_first(event: StoredEvent, data: dict[str, Any] | None) -> None:
    if event.kind != _RUN_STARTED:
        raise _Broken("not_run_started", event.seq)
    version = SCHEMA_VERSION if data is None else data.get("schema_version")
    if version != SCHEMA_VERSION:
        raise _Broken("bad_schema_version", event.seq, f"version {version}")


def validate_events(
    run_id: str, events: Iterable[StoredEvent], *, redacted: frozenset[int] = frozenset()
) -> Verdict:
    """Check events in seq order, wherever they come from."""
    return _Pass(run_id, redacted, run_id_field(run_id)).verdict_on(events)


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a log as the run's row names it."""

    seq: int
    hash: bytes


def validate_run(run_id: str, *, head: Head | None = None) -> Verdict:
    """Check a stored log, and that the run's row names its head: `head`, if it was read before."""
    # Read first: a run in progress may have grown by the time its log is read, never shrunk.
    head = head or _read_head(run_id)
    current = _Pass(run_id, None, run_id_field(run_id))
    verdict = current.verdict_on(walk_events(run_id))
    if verdict.status == "invalid" or head is None or current.last is None:
        return verdict
    return _check_head(current.last, head) or verdict


def _read_head(run_id: str) -> Head | None:
    row = Run.objects.filter(pk=run_id).values_list("head_seq", "head_hash").first()
    return None if row is None else Head(row[0], bytes(row[1] or b""))


def _check_head(last: StoredEvent, head: Head) -> Verdict | None:
    """The row was written with the last event: a log cut short no longer reaches its head."""
    if last.seq < head.seq:
        return Verdict("invalid", "truncated", last.seq, f"the head is seq {head.seq}")
    if last.seq == head.seq and head.hash != last.hash:
        return Verdict("invalid", "head_mismatch", last.seq)
    return None
