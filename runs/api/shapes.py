"""The shapes of the daemon's JSON bodies, for the OpenAPI document.

They describe and validate nothing at run time; `tests/runs/api/test_openapi.py` holds real answers
against them. A field whose default is `ABSENT` may be missing and is never null.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

ABSENT: Any = None

Status = Literal["in progress", "completed", "failed", "cancelled"]
DaemonStatus = Literal["queued", "running", "completed", "failed", "cancelled"]
Timestamp = Field(
    description="RFC 3339, UTC, nanoseconds", json_schema_extra={"format": "date-time"}
)
Hash = Field(description="BLAKE3, lower-case hex", pattern="^[0-9a-f]{64}$")


def _tidy(schema: dict[str, Any]) -> None:
    """Without titles that repeat the names, and without the null that stands for `ABSENT`."""
    schema.pop("title", None)
    for field in schema.get("properties", {}).values():
        field.pop("title", None)
        field.pop("default", None)


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra=_tidy)


class ErrorBody(Shape):
    error: str = Field(description="One line")


class Liveness(Shape):
    status: Literal["ok"]


class QueueRoom(Shape):
    depth: int
    capacity: int


class Readiness(Shape):
    status: Literal["ready", "not_ready"]
    log: str = Field(description="`ok`, or what is wrong with the database")
    queue: QueueRoom
    workers: int


class ComponentHealth(Shape):
    status: Literal["ok", "error", "unconfigured"]
    detail: str = Field(description="What it is, or what is wrong; `probe failed` tells no more")


class Components(Shape):
    store: ComponentHealth
    artifact_store: ComponentHealth
    registry: ComponentHealth
    scheduler: ComponentHealth
    audit: ComponentHealth


class Health(Shape):
    status: Literal["ok", "unhealthy"]
    components: Components


class AcceptedRun(Shape):
    run_id: str
    daemon_status: DaemonStatus


class RunItem(Shape):
    run_id: str
    status: Status
    daemon_status: DaemonStatus = Field(
        ABSENT, description="Missing once the run has ended longer ago than the job retention"
    )
    started_at: str = Timestamp
    last_seq: int = Field(description="Also the number of events")
    turn_count: int
    tool_call_count: int
    input_tokens: int
    output_tokens: int
    cost_usd: float
    duration_ms: int = Field(description="First to last event")


class RunList(Shape):
    runs: list[RunItem]
    total: int = Field(description="Matching runs on all pages")
    limit: int
    offset: int


class Validation(Shape):
    status: Literal["valid", "invalid", "in_progress", "unchecked"]
    reason: str = Field(ABSENT, description="Why the log is invalid")
    seq: int = Field(ABSENT, description="The first event that does not fit")


class BegunRun(RunItem):
    goal: str
    graph_id: str
    provider_id: str
    model_id: str
    final_text: str
    error: str | None
    error_type: str | None
    cancel_reason: str | None
    merkle_root: str | None = Hash
    terminal_kind: Literal["RunCompleted", "RunFailed", "RunCancelled"] | None
    validation: Validation


class QueuedRun(Shape):
    """A run without events yet."""

    run_id: str
    status: None
    daemon_status: DaemonStatus


class RunDetails(RootModel[BegunRun | QueuedRun]):
    pass


class EventItem(Shape):
    run_id: str
    seq: int = Field(description="1, 2, 3, … without gaps")
    kind: str = Field(description="The kind's name, such as RunStarted")
    timestamp: str = Timestamp
    prev_hash: str | None = Hash
    hash: str = Hash
    payload: dict[str, Any] | None = Field(
        description="Bytes are base64; null when it was redacted"
    )
    redacted: bool = ABSENT


class EventPage(Shape):
    run_id: str
    events: list[EventItem]
    total: int = Field(description="Events in the log")
    limit: int
    offset: int
