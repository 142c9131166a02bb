"""The journal of a replay: it compares with a recording instead of writing a log."""

from dataclasses import dataclass, field
from typing import Any, Generic

from runs.engine.journal import StateT
from runs.errors import RunsError
from runs.event_types import KIND_NUMBERS, InputRequested, Payload
from runs.log.append import RunTail
from runs.log.codec import decode
from runs.log.events import StoredEvent
from runs.log.redaction import redact_payload

_SIDE_EFFECT = KIND_NUMBERS["SideEffectRecorded"]

# Compared softly: reported when different, never a divergence. They belong to the program, the
# price list and the clock, not to the work.
_SOFT = frozenset(
    {
        "starling_version", "app_version", "graph_hash", "trigger_source", "cost_usd",
        "total_cost_usd", "duration_ms", "merkle_root",
    }
)  # fmt: skip
_IDENTITY = frozenset({"provider_id", "model_id", "api_version"})
#: Of these it only counts whether there is one: the clock says which.
_TIMES = frozenset({"until_ns", "deadline_ns", "not_before_ns"})
#: These always differ, and say nothing.
_UNREPORTED = frozenset({"duration_ms", "merkle_root"})


class ReplayRefused(RunsError):
    """The agent as configured now is another one than the recording's."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first event that came out different. `reason_class` is kind, payload or exhausted."""

    seq: int
    reason_class: str
    expected_kind: str
    kind: str
    reason: str
    recorded: dict[str, Any]
    produced: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SoftDifference:
    """A field that differs and may."""

    seq: int
    field: str
    recorded: Any
    produced: Any


@dataclass(slots=True)
class ReplayReport:
    """What a replay found."""

    run_id: str
    compared: int = 0
    soft: list[SoftDifference] = field(default_factory=list)
    divergence: Divergence | None = None

    @property
    def is_clean(self) -> bool:
        return self.divergence is None


class Diverged(Exception):
    def __init__(self, divergence: Divergence) -> None:
        super().__init__(divergence.reason)
        self.divergence = divergence


class RecordingEnds(Exception):
    """The run was not over yet when it was recorded."""


class ReplayJournal(Generic[StateT]):
    """A journal that compares instead of writing. The state folds what was recorded."""

    def __init__(
        self, run_id: str, events: list[StoredEvent], state: StateT, *, forced: bool
    ) -> None:
        self.state = state
        self.events = events
        self.report = ReplayReport(run_id)
        self.tail = RunTail(run_id)
        self._soft = _SOFT | _IDENTITY if forced else _SOFT
        self._position = 0

    def peek(self) -> StoredEvent | None:
        """The next recorded event that is not a side effect; those belong to their tool call."""
        position = self._position
        while position < len(self.events) and self.events[position].kind == _SIDE_EFFECT:
            position += 1
        return self.events[position] if position < len(self.events) else None

    def peek_from_here(self) -> list[StoredEvent]:
        """All events from the next one on."""
        return self.events[self._position :]

    def adopt(self) -> Payload:
        """Take the next event from the recording as it is."""
        self._skip_side_effects()
        event = self.events[self._position]
        self._position += 1
        payload = event.typed()
        self._advance(payload, event.ts)
        return payload

    def record(self, payload: Payload) -> None:
        self._skip_side_effects()
        if self._position >= len(self.events):
            last = self.events[-1]
            if not last.is_terminal:
                raise RecordingEnds
            raise Diverged(
                Divergence(
                    last.seq + 1,
                    "exhausted",
                    "",
                    type(payload).__name__,
                    "the agent goes on where the recording ends",
                    {},
                    as_map(payload),
                )
            )
        event = self.events[self._position]
        self._position += 1
        self._compare(event, payload)
        self.report.compared += 1
        self._advance(event.typed(), event.ts)

    def complete(self, final_text: str) -> None:
        self.record(self.tail.completed(final_text, self._next_ts()))

    def fail(self, error: str, error_type: str) -> None:
        self.record(self.tail.failed(error, error_type, self._next_ts()))

    async def commit(self) -> None:
        return

    def elapsed_ms(self, since_ns: int) -> int:
        return 0  # durations are compared softly; this one is never looked at

    async def ask(self, request: InputRequested) -> None:
        self.record(request)

    def knows_call(self, call_id: str) -> bool:
        return False

    def new_id(self) -> str:
        event = self.peek()
        return str(event.data.get("turn_id", "")) if event is not None else ""

    def delta(self, turn_id: str, text: str, attempt: int) -> None:
        return

    def _advance(self, payload: Payload, ts: int) -> None:
        self.tail.add(payload, ts)
        self.state.apply(payload, ts)

    def _skip_side_effects(self) -> None:
        while (
            self._position < len(self.events) and self.events[self._position].kind == _SIDE_EFFECT
        ):
            event = self.events[self._position]
            self._position += 1
            self._advance(event.typed(), event.ts)

    def _next_ts(self) -> int:
        event = self.peek()
        return event.ts if event is not None else 0

    def _compare(self, event: StoredEvent, payload: Payload) -> None:
        # As the log would have had it.
        payload = redact_payload(payload, payload.encode()) or payload
        recorded, produced = event.data, as_map(payload)
        kind = type(payload).__name__
        if event.kind != payload.kind:
            raise Diverged(
                Divergence(
                    event.seq,
                    "kind",
                    event.kind_name,
                    kind,
                    f"recorded {event.kind_name}, produced {kind}",
                    recorded,
                    produced,
                )
            )
        hard = []
        for name in sorted(recorded.keys() | produced.keys()):
            if recorded.get(name) == produced.get(name) and _same_type(recorded, produced, name):
                continue
            if name in _TIMES and name in recorded and name in produced:
                continue
            if name in self._soft:
                self._note_soft(event.seq, name, recorded.get(name), produced.get(name))
            else:
                hard.append(name)
        if hard:
            reason = f"different {', '.join(hard)}"
            raise Diverged(
                Divergence(event.seq, "payload", event.kind_name, kind, reason, recorded, produced)
            )

    def _note_soft(self, seq: int, name: str, recorded: Any, produced: Any) -> None:
        if name not in _UNREPORTED:
            self.report.soft.append(SoftDifference(seq, name, recorded, produced))


def as_map(payload: Payload) -> dict[str, Any]:
    """The payload as its decoded map would be: omitted fields absent."""
    value: dict[str, Any] = decode(payload.encode())
    return value


def _same_type(recorded: dict[str, Any], produced: dict[str, Any], name: str) -> bool:
    """1 and 1.0 are different values in the log, though equal in Python."""
    return type(recorded.get(name)) is type(produced.get(name))
