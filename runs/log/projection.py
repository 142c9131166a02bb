"""What a log says about its run, kept as columns of the `Run` row."""

from dataclasses import dataclass

from runs.event_types import (
    AssistantMessageCompleted,
    InputReceived,
    InputRequested,
    InputTimedOut,
    Payload,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunPaused,
    RunResumed,
    RunRewound,
    RunStarted,
    RunSuspended,
    RunUnpaused,
    ToolCallScheduled,
    TurnStarted,
)
from runs.log.codec import to_log_value
from runs.models import Run

_STATUS_AFTER: dict[type[Payload], str] = {
    RunStarted: Run.Status.RUNNING,
    RunResumed: Run.Status.RUNNING,
    InputRequested: Run.Status.AWAITING_INPUT,
    InputReceived: Run.Status.RUNNING,
    RunPaused: Run.Status.PAUSED,
    RunUnpaused: Run.Status.RUNNING,
    InputTimedOut: Run.Status.RUNNING,
    RunRewound: Run.Status.RUNNING,
    RunCompleted: Run.Status.DONE,
    RunFailed: Run.Status.FAILED,
    RunCancelled: Run.Status.CANCELLED,
}

#: Failures that are no outcome of the work itself.
_DEFECTS = frozenset({"internal", "max_steps"})


@dataclass(slots=True)
class Projection:
    """The fold of a log. Field names are those of `Run`: both can be compared and copied."""

    status: str = Run.Status.PENDING
    head_seq: int = 0
    head_hash: bytes | None = None
    turn_count: int = 0
    tool_call_count: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    final_text: str = ""
    error: str = ""
    error_type: str = ""
    cancel_reason: str = ""
    provider_id: str = ""
    model_id: str = ""
    started_ns: int | None = None
    last_event_ns: int | None = None
    terminal_kind: int | None = None
    finished_ns: int | None = None
    merkle_root: bytes | None = None
    wake_ns: int | None = None

    @classmethod
    def of_run(cls, run: Run) -> "Projection":
        """The projection a `Run` row carries; status is the log's word, not the queue's."""
        values = {name: getattr(run, name) for name in cls.__slots__}
        for name in ("head_hash", "merkle_root"):
            values[name] = None if values[name] is None else bytes(values[name])
        if run.status == Run.Status.PENDING and run.head_seq:
            values["status"] = Run.Status.RUNNING
        return cls(**values)

    @property
    def duration_ms(self) -> int:
        if self.started_ns is None or self.last_event_ns is None:
            return 0
        return max(0, (self.last_event_ns - self.started_ns) // 1_000_000)

    def apply(self, payload: Payload, *, seq: int, ts: int, event_hash: bytes) -> None:
        """Take in the next event."""
        self.head_seq = seq
        self.head_hash = event_hash
        self.last_event_ns = ts
        if seq == 1:
            self.started_ns = ts
        self.wake_ns = None
        status = _STATUS_AFTER.get(type(payload))
        if status is not None:
            self.status = status
        match payload:
            case RunStarted():
                self.provider_id = payload.provider_id
                self.model_id = payload.model_id
            case TurnStarted():
                self.turn_count += 1
            case ToolCallScheduled():
                self.tool_call_count += 1
            case AssistantMessageCompleted():
                self.input_tokens += payload.input_tokens
                self.output_tokens += payload.output_tokens
                self.cost_usd += payload.cost_usd
                self.final_text = _as_column(payload.text)
            case InputRequested():
                self.wake_ns = payload.deadline_ns or None
            case RunSuspended():
                self.wake_ns = payload.until_ns
            case RunCompleted() | RunFailed() | RunCancelled():
                self._apply_terminal(payload, ts)

    def _apply_terminal(self, payload: RunCompleted | RunFailed | RunCancelled, ts: int) -> None:
        self.terminal_kind = payload.kind
        self.finished_ns = ts
        self.merkle_root = payload.merkle_root
        if isinstance(payload, RunFailed):
            self.error = _as_column(payload.error)
            self.error_type = payload.error_type
            if payload.error_type in _DEFECTS:
                self.status = Run.Status.ERROR
        elif isinstance(payload, RunCancelled):
            self.cancel_reason = payload.reason
        else:
            self.final_text = _as_column(payload.final_text)


def _as_column(text: str) -> str:
    """Models and tools say what text columns refuse: NUL, and halves of characters."""
    stored: str = to_log_value(text)
    return stored.replace("\x00", "\ufffd") if "\x00" in stored else stored


PROJECTED_FIELDS: tuple[str, ...] = tuple(Projection.__slots__)
