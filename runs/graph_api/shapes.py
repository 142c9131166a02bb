"""The shapes of `/v1`'s JSON bodies, for the OpenAPI document.

They describe and validate nothing at run time; `tests/runs/graph_api/test_openapi.py` holds real
answers against them.
"""

from typing import Any, Literal

from pydantic import Field, RootModel

from runs.api.shapes import ABSENT, Shape, Timestamp

GraphHash = Field(description="Of the graph's version, lower-case hex", pattern="^[0-9a-f]{64}$")


class Refusal(Shape):
    detail: str = Field(description="One sentence; with 401 a code")


class Complaint(Shape):
    type: str = Field(description="A code such as `missing` or `int_parsing`")
    loc: list[str | int] = Field(description="`body`, `query` or `header`, then names or indexes")
    msg: str
    input: Any = Field(ABSENT, description="What was sent; never a response to a run's question")
    ctx: dict[str, Any] = ABSENT


class InvalidRequestBody(Shape):
    detail: list[Complaint]


class RunSummary(Shape):
    run_id: str
    status: Literal[
        "pending", "running", "paused", "awaiting-input", "done", "failed", "cancelled", "error"
    ]
    graph_id: str
    graph_hash: str = GraphHash
    trigger_source: Literal["manual", "cron", "webhook"]
    started_at: str = Field(
        description="When it was accepted; RFC 3339, UTC", json_schema_extra={"format": "date-time"}
    )
    last_step_at: str = Timestamp
    finished_at: str | None = Timestamp
    duration_ms: int | None = Field(description="From acceptance to the end")
    parent_run_id: str | None = Field(description="The run it was forked from")
    error_class: str | None
    error_cause: str | None


class RunHistory(Shape):
    items: list[RunSummary]
    total: int = Field(description="Matching runs on all pages")
    limit: int
    offset: int
    cursor: None = Field(description="Reserved")


class Approval(Shape):
    run_id: str
    graph_id: str
    node_id: str | None = Field(description="The node that asks; null when a tool does")
    step: int
    prompt: str
    interrupt_payload: dict[str, Any] = Field(description="What the graph tells its human")
    response_schema: dict[str, Any] | None = Field(
        alias="schema", description="JSON Schema of an acceptable response"
    )
    requested_capability: str | None = Field(description="What the one who answers must hold")
    can_respond: bool = Field(description="Whether an answer of the caller would count now")
    requested_at: str = Timestamp
    age_ms: int
    deadline: str | None = Timestamp
    on_timeout: str | None = Field(description="`halt`, or `goto:` and a node")
    started_by: str = Field(description="Actor")


class ApprovalList(Shape):
    items: list[Approval]
    total: int = Field(description="Matching approvals on all pages")
    limit: int
    offset: int
    cursor: None = Field(description="Reserved")


class PendingRun(Shape):
    run_id: str
    status: Literal["pending"]


class ArtifactRef(Shape):
    artifact_id: str = Field(
        description="The first half of `content_hash`", pattern="^[0-9a-f]{32}$"
    )
    content_hash: str = Field(
        description="BLAKE3 of the bytes, or SHA-256 where the server is told to",
        pattern="^[0-9a-f]{64}$",
    )
    name: str = Field(description="A bare file name")
    content_type: str
    run_id: str
    step: int
    created_at: str = Timestamp


class ArtifactList(RootModel[list[ArtifactRef]]):
    pass


class GraphEntry(Shape):
    graph_id: str
    graph_hash: str = GraphHash
    node_count: int


class GraphList(RootModel[list[GraphEntry]]):
    pass


class ToolEntry(Shape):
    name: str
    namespace: str
    version: str
    description: str
    input_schema: dict[str, Any] = Field(description="JSON Schema of the arguments")
    output_schema: dict[str, Any] = Field(description="JSON Schema of the result")
    side_effects: Literal["none", "read", "write", "external"]
    replay_policy: Literal["must-stub", "fail-loud", "recorded-result"]
    permissions: list[str] = Field(description="Capabilities that the run's starter must hold")
    idempotency_key: str | None = Field(description="What identifies a call that is made again")
    cost_estimate: str | None
    examples: list[Any]
    tags: list[str]
    deprecated: bool


class Provenance(Shape):
    origin: Literal["system"]
    source: str = Field(description="The same as `pack_id`")
    run_id: str
    step: int
    confidence: float
    timestamp: str = Field(json_schema_extra={"format": "date-time"})


class AuditRecord(Shape):
    type: Literal["bosun_audit"]
    run_id: str = Field(description="Empty unless it is about a run")
    step: int
    branch_id: None
    ts: str = Field(json_schema_extra={"format": "date-time"})
    payload: dict[str, Any]
    pack_id: str = Field(description="Which part of the program recorded it")
    pack_version: str
    fact: dict[str, Any] = Field(description="`kind`, `actor`, and more by kind")
    provenance: Provenance


class AuditPage(Shape):
    items: list[AuditRecord]
    total: int = Field(description="Matching records on all pages")
    limit: int
    offset: int
    cursor: None = Field(description="Reserved")


class Registry(RootModel[list[ToolEntry]]):
    pass


class ForkedRun(Shape):
    run_id: str = Field(pattern="^cf-")
    parent_run_id: str
    status: Literal["pending"]
    graph_hash: str = Field(description="Derived from the parent's and the mutation")


class Transition(Shape):
    from_node: str
    to_node: str = Field(description='"" at the end, and where several nodes come next')
    targets: list[str] = Field(description="The branches of a parallel")
    rule_id: str = Field(description='"" when no rule decided')
    reason: Literal["continue", "goto", "halt", "parallel", "interrupt"]


class StateAfterStep(Shape):
    run_id: str
    step: int
    nodes: list[str]
    state: dict[str, Any]
    facts: list[dict[str, Any]]
    transition: Transition | None = Field(description="Null for a run that is one agent")


class StepDifference(Shape):
    step: int | None = Field(description="Null where only the other run has it")
    against_step: int | None
    nodes: list[str]
    axis: Literal["", "state", "node_output", "edge_taken"] = Field(
        description="What differs first; empty when nothing does"
    )
    patch: list[dict[str, Any]] = Field(description="RFC 6902")


class RunDifference(Shape):
    run_id: str
    against: str
    same: bool
    statuses: list[str] = Field(description="Of the run, then of the other one")
    first_divergence: StepDifference | None
    steps: list[StepDifference]
