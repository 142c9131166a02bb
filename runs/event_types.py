"""Every event a run's log may hold. Kinds 1–15 are Starling's, field for field; ours follow.

A payload class is a frozen dataclass whose fields are the keys of its canonical CBOR map. A field
marked `_OMIT` is left out of the map when it holds its default (empty, zero, false, `None`); every
other key is always present, `None` as null.
"""

from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from operator import attrgetter
from typing import Any, ClassVar, Self

from runs.log.codec import encode_head, encode_text, field_encoder

#: Metadata of a field that is left out of the encoded map when it holds its default.
_OMIT = {"omit_when_default": True}


@dataclass(frozen=True, slots=True)
class Payload:
    """Base of all payloads; `kind` is the number in the log, the class name its wire name."""

    kind: ClassVar[int] = 0

    def encode(self) -> bytes:
        """Canonical CBOR of the payload. Raises `CodecError` when a value has no canonical form."""
        plan = _PLANS[type(self)]
        parts = [plan.head]
        for value, (write, omits, default) in zip(plan.read(self), plan.fields, strict=True):
            if omits and (value is None or value == default):
                continue
            parts.append(write(value))
        if len(parts) <= len(plan.fields):
            parts[0] = encode_head(5, len(parts) - 1)
        return b"".join(parts)

    @classmethod
    def from_map(cls, values: dict[str, Any]) -> Self:
        """Rebuild from a decoded map. Unknown keys are ignored: newer writers may add optionals."""
        return cls(**{name: values[name] for name in _NAMES[cls] if name in values})

    @property
    def is_terminal(self) -> bool:
        return self.kind in TERMINAL_KINDS


@dataclass(frozen=True, slots=True)
class RunStarted(Payload):
    kind: ClassVar[int] = 1
    schema_version: int
    goal: str
    provider_id: str
    model_id: str
    api_version: str
    params_hash: bytes | None = None
    params: Any = None
    system_prompt_hash: bytes | None = None
    system_prompt: str = ""
    tool_registry_hash: bytes | None = None
    tool_schemas: list[dict[str, Any]] | None = None  # {"name", "schema_hash"}, sorted by name
    budget: dict[str, Any] | None = field(default=None, metadata=_OMIT)
    starling_version: str = field(default="", metadata=_OMIT)
    app_version: str = field(default="", metadata=_OMIT)
    graph_id: str = field(default="", metadata=_OMIT)
    graph_hash: str = field(default="", metadata=_OMIT)
    inputs: dict[str, Any] | None = field(default=None, metadata=_OMIT)
    trigger_source: str = field(default="", metadata=_OMIT)
    parent_run_id: str = field(default="", metadata=_OMIT)


@dataclass(frozen=True, slots=True)
class UserMessageAppended(Payload):
    kind: ClassVar[int] = 2
    content: str
    path: str = field(default="", metadata=_OMIT)


@dataclass(frozen=True, slots=True)
class TurnStarted(Payload):
    kind: ClassVar[int] = 3
    turn_id: str
    prompt_hash: bytes
    input_tokens: int  # estimated before the call
    path: str = field(default="", metadata=_OMIT)  # ours: the node execution whose turn it is


@dataclass(frozen=True, slots=True)
class ReasoningEmitted(Payload):
    kind: ClassVar[int] = 4
    turn_id: str
    content: str
    sensitive: bool = True
    signature: bytes | None = field(default=None, metadata=_OMIT)
    redacted: bool = field(default=False, metadata=_OMIT)


@dataclass(frozen=True, slots=True)
class AssistantMessageCompleted(Payload):
    kind: ClassVar[int] = 5
    turn_id: str
    text: str
    stop_reason: str
    input_tokens: int
    output_tokens: int
    cost_usd: float
    # Each {"call_id", "tool", "args"}.
    tool_uses: list[dict[str, Any]] | None = field(default=None, metadata=_OMIT)
    cache_read_tokens: int = field(default=0, metadata=_OMIT)
    cache_create_tokens: int = field(default=0, metadata=_OMIT)
    raw_response_hash: bytes | None = None
    provider_request_id: str = field(default="", metadata=_OMIT)


@dataclass(frozen=True, slots=True)
class ToolCallScheduled(Payload):
    kind: ClassVar[int] = 6
    call_id: str
    turn_id: str
    tool: str
    args: Any
    attempt: int = 1
    idemp_key: str = field(default="", metadata=_OMIT)


@dataclass(frozen=True, slots=True)
class ToolCallCompleted(Payload):
    kind: ClassVar[int] = 7
    call_id: str
    result: Any
    duration_ms: int
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class ToolCallFailed(Payload):
    kind: ClassVar[int] = 8
    call_id: str
    error: str
    error_type: str  # tool, panic, cancelled; ours: interrupted, timeout
    duration_ms: int
    attempt: int = 1
    final: bool = field(default=False, metadata=_OMIT)


@dataclass(frozen=True, slots=True)
class SideEffectRecorded(Payload):
    kind: ClassVar[int] = 9
    name: str
    value: Any
    call_id: str = field(
        default="", metadata=_OMIT
    )  # ours: which tool call asked, so parallel calls replay apart


@dataclass(frozen=True, slots=True)
class BudgetExceeded(Payload):
    kind: ClassVar[int] = 10
    limit: str  # input_tokens, output_tokens, usd, wall_clock; spending: a user's or a key's
    cap: float
    actual: float
    where: str  # pre_call, mid_stream
    turn_id: str = field(default="", metadata=_OMIT)
    call_id: str = field(default="", metadata=_OMIT)
    partial_text: str = field(default="", metadata=_OMIT)
    partial_tokens: int = field(default=0, metadata=_OMIT)
    path: str = field(default="", metadata=_OMIT)


@dataclass(frozen=True, slots=True)
class ContextTruncated(Payload):
    kind: ClassVar[int] = 11
    strategy: str
    tokens_before: int
    tokens_after: int
    messages_before: int
    messages_after: int
    path: str = field(default="", metadata=_OMIT)


@dataclass(frozen=True, slots=True)
class RunCompleted(Payload):
    kind: ClassVar[int] = 12
    final_text: str
    turn_count: int
    tool_call_count: int
    total_cost_usd: float
    total_input_tokens: int
    total_output_tokens: int
    duration_ms: int
    merkle_root: bytes


@dataclass(frozen=True, slots=True)
class RunFailed(Payload):
    kind: ClassVar[int] = 13
    error: str
    error_type: str  # budget, max_turns, tool, provider, internal
    merkle_root: bytes
    duration_ms: int


@dataclass(frozen=True, slots=True)
class RunCancelled(Payload):
    kind: ClassVar[int] = 14
    reason: str  # context_canceled, deadline_exceeded
    merkle_root: bytes
    duration_ms: int


@dataclass(frozen=True, slots=True)
class RunResumed(Payload):
    """A new worker took over. It closes the open turn and every open call before it."""

    kind: ClassVar[int] = 15
    at_seq: int
    reissue_tools: bool
    pending_calls: int
    extra_message: str = field(default="", metadata=_OMIT)


@dataclass(frozen=True, slots=True)
class InputRequested(Payload):
    """The run waits for a human and holds no worker until `InputReceived`."""

    kind: ClassVar[int] = 16
    prompt: str
    call_id: str = field(default="", metadata=_OMIT)  # the `ask_human` call that asked
    schema: dict[str, Any] | None = field(
        default=None, metadata=_OMIT
    )  # JSON Schema of an acceptable response
    deadline_ns: int = field(default=0, metadata=_OMIT)  # Unix; 0: it waits for ever
    path: str = field(default="", metadata=_OMIT)
    node_id: str = field(default="", metadata=_OMIT)
    interrupt_payload: dict[str, Any] | None = field(default=None, metadata=_OMIT)
    requested_capability: str = field(default="", metadata=_OMIT)
    on_timeout: str = field(default="", metadata=_OMIT)  # halt, goto:<node>


@dataclass(frozen=True, slots=True)
class InputReceived(Payload):
    kind: ClassVar[int] = 17
    response: Any
    actor: str
    call_id: str = field(default="", metadata=_OMIT)
    path: str = field(default="", metadata=_OMIT)


@dataclass(frozen=True, slots=True)
class RunPaused(Payload):
    kind: ClassVar[int] = 18
    actor: str
    reason: str = field(default="", metadata=_OMIT)


@dataclass(frozen=True, slots=True)
class RunUnpaused(Payload):
    kind: ClassVar[int] = 19
    actor: str


# --- Graphs of several nodes ------------------------------------------------------------------
#
# A graph runs in steps, counted from 0. A `path` names one execution of a node within its run:
# "3" at step 3, "3:branch-0" in a branch of it, "3:item-2" for an item of a map, "3:review.0" at
# the first step of a subgraph. The state after a step is the fold of what its nodes put out.


@dataclass(frozen=True, slots=True)
class NodeStarted(Payload):
    kind: ClassVar[int] = 20
    step: int
    path: str
    node_id: str
    node_kind: str
    # Of a subgraph: which one, and the version that it keeps in this run from here on.
    graph_id: str = field(default="", metadata=_OMIT)
    graph_hash: str = field(default="", metadata=_OMIT)


@dataclass(frozen=True, slots=True)
class NodeFinished(Payload):
    kind: ClassVar[int] = 21
    step: int
    path: str
    node_id: str
    output: dict[str, Any]  # state field → new value
    duration_ms: int
    # Why nothing was executed: override (a fork's mutation) or recorded (what its parent got).
    reused: str = field(default="", metadata=_OMIT)


@dataclass(frozen=True, slots=True)
class NodeFailed(Payload):
    kind: ClassVar[int] = 22
    step: int
    path: str
    node_id: str
    error: str
    error_type: str
    duration_ms: int


@dataclass(frozen=True, slots=True)
class StepCompleted(Payload):
    """The transition after a step, and its checkpoint: what comes next is decided and durable."""

    kind: ClassVar[int] = 23
    step: int
    from_node: str
    to_node: str  # "" at the end, and when several come next
    rule_id: str  # "" when no rule decided
    reason: str  # continue, goto, halt, parallel, interrupt
    path: str = field(default="", metadata=_OMIT)  # of the subgraph's execution; "" at the top
    halt_reason: str = field(default="", metadata=_OMIT)
    targets: list[str] | None = field(default=None, metadata=_OMIT)  # of a parallel
    join: str = field(default="", metadata=_OMIT)
    strategy: str = field(default="", metadata=_OMIT)
    allow_effects: bool = field(default=False, metadata=_OMIT)  # of losing branches
    gate: dict[str, Any] | None = field(default=None, metadata=_OMIT)  # an interrupt by a rule
    not_before_ns: int = field(default=0, metadata=_OMIT)  # a retry waits this long
    merged: dict[str, Any] | None = field(default=None, metadata=_OMIT)  # output of all branches
    asserted: list[dict[str, Any]] | None = field(default=None, metadata=_OMIT)
    retracted: list[dict[str, Any]] | None = field(default=None, metadata=_OMIT)


@dataclass(frozen=True, slots=True)
class BranchStarted(Payload):
    kind: ClassVar[int] = 24
    step: int
    path: str
    branch_id: str
    target: str
    strategy: str


@dataclass(frozen=True, slots=True)
class BranchFinished(Payload):
    kind: ClassVar[int] = 25
    step: int
    path: str
    branch_id: str
    outcome: str  # completed, failed, cancelled


@dataclass(frozen=True, slots=True)
class TimerSet(Payload):
    kind: ClassVar[int] = 26
    path: str
    until_ns: int  # Unix


@dataclass(frozen=True, slots=True)
class RunSuspended(Payload):
    """Only time can bring the run further; it holds no worker until then."""

    kind: ClassVar[int] = 27
    until_ns: int  # Unix


@dataclass(frozen=True, slots=True)
class InputTimedOut(Payload):
    kind: ClassVar[int] = 28
    path: str
    on_timeout: str  # halt, goto:<node>


@dataclass(frozen=True, slots=True)
class ArtifactWritten(Payload):
    kind: ClassVar[int] = 29
    step: int
    path: str
    node_id: str
    digest: str  # of the bytes, hex (see runs.artifacts); its first half is the artifact's id
    name: str
    content_type: str
    size: int
    metadata: dict[str, Any] | None = field(default=None, metadata=_OMIT)


@dataclass(frozen=True, slots=True)
class RunRewound(Payload):
    """A paused run goes on from the state after an earlier step; what came later is superseded."""

    kind: ClassVar[int] = 30
    step: int
    actor: str


@dataclass(frozen=True, slots=True)
class RunForked(Payload):
    """Where a fork begins: after `step` of its parent, with the mutation applied already."""

    kind: ClassVar[int] = 31
    parent_run_id: str
    step: int
    node_id: str  # executed at that step; routing is evaluated again
    mutation: dict[str, Any]
    state: dict[str, Any]
    actor: str
    reason: str = field(default="", metadata=_OMIT)
    facts: list[dict[str, Any]] | None = field(default=None, metadata=_OMIT)
    targets: list[str] | None = field(default=None, metadata=_OMIT)  # of a parallel step
    join: str = field(default="", metadata=_OMIT)
    # What the parent got after that step, in order: humans' answers by gate, results of effects.
    answers: dict[str, list[Any]] | None = field(default=None, metadata=_OMIT)
    effects: list[dict[str, Any]] | None = field(default=None, metadata=_OMIT)
    # Keys of the mutation of a parent that is a fork itself, as far as they work on.
    inherited: dict[str, Any] | None = field(default=None, metadata=_OMIT)
    # {"error", "error_type", "attempts"} of the step's node, when it failed and a rule went on.
    failure: dict[str, Any] | None = field(default=None, metadata=_OMIT)
    # Keys of StepCompleted, where not the rules decided what follows: an end, a deadline, a gate.
    transition: dict[str, Any] | None = field(default=None, metadata=_OMIT)
    output: dict[str, Any] | None = field(default=None, metadata=_OMIT)  # the newest until then
    # The version of each subgraph that the parent has begun: graph id → hash.
    versions: dict[str, str] | None = field(default=None, metadata=_OMIT)


TERMINAL_KINDS = frozenset((12, 13, 14))

_ALL: tuple[type[Payload], ...] = (
    RunStarted,
    UserMessageAppended,
    TurnStarted,
    ReasoningEmitted,
    AssistantMessageCompleted,
    ToolCallScheduled,
    ToolCallCompleted,
    ToolCallFailed,
    SideEffectRecorded,
    BudgetExceeded,
    ContextTruncated,
    RunCompleted,
    RunFailed,
    RunCancelled,
    RunResumed,
    InputRequested,
    InputReceived,
    RunPaused,
    RunUnpaused,
    NodeStarted,
    NodeFinished,
    NodeFailed,
    StepCompleted,
    BranchStarted,
    BranchFinished,
    TimerSet,
    RunSuspended,
    InputTimedOut,
    ArtifactWritten,
    RunRewound,
    RunForked,
)
PAYLOADS: dict[int, type[Payload]] = {cls.kind: cls for cls in _ALL}
KIND_NAMES: dict[int, str] = {kind: cls.__name__ for kind, cls in PAYLOADS.items()}
KIND_NUMBERS: dict[str, int] = {name: kind for kind, name in KIND_NAMES.items()}

Terminal = RunCompleted | RunFailed | RunCancelled


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a class is encoded, worked out once: keys in canonical order, an encoder per field."""

    head: bytes  # of a map with every field
    read: Callable[[Payload], tuple[Any, ...]]
    fields: tuple[tuple[Callable[[Any], bytes], bool, Any], ...]  # encoder, may omit, default


def _plan(cls: type[Payload]) -> _Plan:
    ordered = sorted(fields(cls), key=lambda item: encode_text(item.name))
    names = [item.name for item in ordered]
    getter = attrgetter(*names)
    return _Plan(
        head=encode_head(5, len(ordered)),
        # attrgetter gives a bare value for one name, a tuple for several.
        read=getter if len(names) > 1 else lambda payload: (getter(payload),),
        fields=tuple(
            (
                field_encoder(item.name, is_text=item.type is str or item.type == "str"),
                bool(item.metadata),
                None if item.default is MISSING else item.default,
            )
            for item in ordered
        ),
    )


_PLANS = {cls: _plan(cls) for cls in PAYLOADS.values()}
_NAMES = {cls: tuple(item.name for item in fields(cls)) for cls in PAYLOADS.values()}
