"""The shapes of the stream's frames, for the OpenAPI document. They validate nothing at run time.

`tests/runs/graph_api/test_socket_frames.py` holds real frames against them.
"""

from typing import Any, Literal

from pydantic import Field

from runs.api.shapes import Shape


class Envelope(Shape):
    run_id: str
    step: int = Field(description="0 for what concerns the run as a whole")
    branch_id: str | None
    ts: str = Field(
        description="RFC 3339, UTC, microseconds", json_schema_extra={"format": "date-time"}
    )
    payload: dict[str, Any] = Field(description="`cursor`: resumes right after this frame")


class TokenFrame(Envelope):
    """A piece of text as it streams; never sent again."""

    type: Literal["token"]
    model: str
    token: str
    index: int = Field(description="Counts the pieces of the turn that this socket got")


class ToolCallFrame(Envelope):
    type: Literal["tool_call"]
    tool_name: str
    namespace: str
    args: dict[str, Any]
    call_id: str


class ToolResultFrame(Envelope):
    type: Literal["tool_result"]
    call_id: str
    ok: bool
    result: dict[str, Any] | None
    error: str | None


class TransitionFrame(Envelope):
    type: Literal["transition"]
    from_node: str
    to_node: str = Field(description="Empty at the end, and when several come next")
    rule_id: str = Field(description="Empty when no rule decided")
    reason: str = Field(description="`continue`, `goto`, `halt`, `parallel` or `interrupt`")


class CheckpointFrame(Envelope):
    type: Literal["checkpoint"]
    checkpoint_id: str


class ErrorFrame(Envelope):
    type: Literal["error"]
    scope: Literal["node", "rule", "tool", "runtime", "checkpoint"]
    message: str
    recoverable: bool = Field(description="False when the run has ended with it")


class ResultFrame(Envelope):
    type: Literal["result"]
    status: Literal["done", "failed", "paused"]
    final_state: dict[str, Any]
    run_duration_ms: int


class BranchStartedFrame(Envelope):
    type: Literal["branch_started"]
    target: str = Field(description="The node that the branch begins with")
    strategy: str


class BranchCompletedFrame(Envelope):
    type: Literal["branch_completed"]
    result: dict[str, Any]


class BranchCancelledFrame(Envelope):
    type: Literal["branch_cancelled"]
    reason: Literal["cancelled", "error"]


class RunPausedFrame(Envelope):
    type: Literal["run_paused"]
    actor: str


class RunCancelledFrame(Envelope):
    type: Literal["run_cancelled"]
    actor: str = Field(description="Empty: the audit trail says who it was")
    reason: Literal["user", "timeout", "shutdown"]


class WaitingForInputFrame(Envelope):
    type: Literal["waiting_for_input"]
    prompt: str
    interrupt_payload: dict[str, Any]
    requested_capability: str | None


class InterruptTimeoutFrame(Envelope):
    type: Literal["interrupt_timeout"]
    on_timeout: str


class ArtifactWrittenFrame(Envelope):
    type: Literal["artifact_written"]
    artifact_ref: dict[str, Any]
    provenance: dict[str, Any]


class BosunAuditFrame(Envelope):
    type: Literal["bosun_audit"]
    pack_id: str
    pack_version: str
    fact: dict[str, Any]
    provenance: dict[str, Any]


FRAMES: tuple[type[Envelope], ...] = (
    TokenFrame,
    ToolCallFrame,
    ToolResultFrame,
    TransitionFrame,
    CheckpointFrame,
    ErrorFrame,
    ResultFrame,
    BranchStartedFrame,
    BranchCompletedFrame,
    BranchCancelledFrame,
    RunPausedFrame,
    RunCancelledFrame,
    WaitingForInputFrame,
    InterruptTimeoutFrame,
    ArtifactWrittenFrame,
    BosunAuditFrame,
)
