"""Which frames an event becomes. docs/reference/api-graphs.md has the table.

A redacted event keeps its frames, with nothing in them: whoever counts frames counts the same.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from accounts import audit
from accounts.audit.records import PACK_VERSION
from project.lib.canonical_json import NotCanonical, canonical_hash
from runs.event_types import (
    ArtifactWritten,
    AssistantMessageCompleted,
    BranchFinished,
    BranchStarted,
    InputReceived,
    InputRequested,
    InputTimedOut,
    NodeFailed,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunForked,
    RunPaused,
    RunRewound,
    RunStarted,
    RunUnpaused,
    StepCompleted,
    ToolCallCompleted,
    ToolCallFailed,
    ToolCallScheduled,
)
from runs.graph_api.past import WHOLE_RUN, Call, Past, Place
from runs.graph_api.summaries import INTERNAL_ERROR, timestamp_of
from runs.log.events import StoredEvent
from runs.tools.registry import get_registry

INTERNAL = "internal"
#: Of a failed run, what failed; everything else is `runtime`.
_SCOPES = {"tool": "tool"}
_CANCEL_REASONS = {"deadline_exceeded": "timeout"}
_LOST_BRANCH = {"failed": "error"}


@dataclass(frozen=True, slots=True)
class Draft:
    """A frame but for what all frames have."""

    type: str
    place: Place
    fields: dict[str, Any]
    about: dict[str, Any] = field(default_factory=dict)  # further keys of `payload`


Data = dict[str, Any]
Builder = Callable[[StoredEvent, Data, Past], list[Draft]]


def drafts_of(event: StoredEvent, past: Past) -> list[Draft]:
    """`past` has taken in the log up to this event, the event included."""
    build = _BUILDERS.get(event.kind)
    return [] if build is None else build(event, event.data, past)


def _run_started(event: StoredEvent, data: Data, past: Past) -> list[Draft]:
    return [
        _fact(
            event,
            "run_started",
            graph_id=data.get("graph_id", ""),
            graph_hash=data.get("graph_hash", ""),
            parent_run_id=data.get("parent_run_id") or None,
        )
    ]


def _run_forked(event: StoredEvent, data: Data, past: Past) -> list[Draft]:
    return [
        _fact(
            event,
            "counterfactual_forked",
            data.get("actor"),
            parent_run_id=data.get("parent_run_id", ""),
            step=data.get("step", 0),
            reason=data.get("reason", ""),
        )
    ]


def _turn_completed(event: StoredEvent, data: Data, past: Past) -> list[Draft]:
    names = ("turn_id", "text", "stop_reason", "input_tokens", "output_tokens", "cost_usd")
    facts = {name: data.get(name) for name in names}
    return [_fact(event, "turn_completed", place=past.place_of_turn(data), **facts)]


def _tool_call(event: StoredEvent, data: Data, past: Past) -> list[Draft]:
    tool = data.get("tool", "")
    fields = {
        "tool_name": tool,
        "namespace": _namespace_of(tool),
        "args": _as_object(data.get("args")) or {},
        "call_id": data.get("call_id", ""),
    }
    return [Draft("tool_call", past.place_of_turn(data), fields, {"attempt": _attempt(data)})]


def _tool_completed(event: StoredEvent, data: Data, past: Past) -> list[Draft]:
    return [_tool_result(data, past, result=_as_object(data.get("result")), error=None)]


def _tool_failed(event: StoredEvent, data: Data, past: Past) -> list[Draft]:
    return [_tool_result(data, past, result=None, error=data.get("error", ""))]


def _tool_result(data: Data, past: Past, *, result: Data | None, error: str | None) -> Draft:
    call_id = data.get("call_id", "")
    place = past.calls.get(call_id, Call("", WHOLE_RUN)).place
    fields = {"call_id": call_id, "ok": error is None, "result": result, "error": error}
    return Draft("tool_result", place, fields, {"attempt": _attempt(data)})


def _step_completed(event: StoredEvent, data: Data, past: Past) -> list[Draft]:
    """Steps inside a subgraph have no checkpoint: nothing can start from them."""
    path, step = data.get("path", ""), data.get("step", 0)
    place = Place.of(path) if path else Place(step)
    routing = {name: data.get(name, "") for name in ("from_node", "to_node", "rule_id", "reason")}
    targets = {"targets": data["targets"]} if data.get("targets") else {}
    transition = Draft("transition", place, routing, targets)
    if path:
        return [transition]
    return [
        transition,
        Draft("checkpoint", place, {"checkpoint_id": f"{event.run_id}:{step}"}),
    ]


def _node_failed(event: StoredEvent, data: Data, past: Past) -> list[Draft]:
    """Recoverable: what the rules make of it is not decided yet."""
    place = Place.of(data.get("path", ""))
    return [_error("node", place, data, is_recoverable=True, node_id=data.get("node_id", ""))]


def _run_completed(event: StoredEvent, data: Data, past: Past) -> list[Draft]:
    return [_result("done", past, data.get("duration_ms", 0))]


def _run_failed(event: StoredEvent, data: Data, past: Past) -> list[Draft]:
    scope = _SCOPES.get(data.get("error_type", ""), "runtime")
    return [
        _error(scope, WHOLE_RUN, data, is_recoverable=False),
        _result("failed", past, data.get("duration_ms", 0)),
    ]


def _run_cancelled(event: StoredEvent, data: Data, past: Past) -> list[Draft]:
    """Who it was stands in the audit trail; the log's event has Starling's fields alone."""
    reason = _CANCEL_REASONS.get(data.get("reason", ""), "user")
    return [Draft("run_cancelled", WHOLE_RUN, {"actor": "", "reason": reason})]


def _run_paused(event: StoredEvent, data: Data, past: Past) -> list[Draft]:
    elapsed_ms = (event.ts - (past.started_ns or event.ts)) // 1_000_000
    return [
        Draft("run_paused", WHOLE_RUN, {"actor": data.get("actor", "")}),
        _result("paused", past, elapsed_ms),
    ]


def _run_unpaused(event: StoredEvent, data: Data, past: Past) -> list[Draft]:
    return [_fact(event, "run_resumed", data.get("actor"))]


def _run_rewound(event: StoredEvent, data: Data, past: Past) -> list[Draft]:
    return [_fact(event, "run_rewound", data.get("actor"), step=data.get("step", 0))]


def _input_requested(event: StoredEvent, data: Data, past: Past) -> list[Draft]:
    fields = {
        "prompt": data.get("prompt", ""),
        "interrupt_payload": data.get("interrupt_payload") or {},
        "requested_capability": data.get("requested_capability") or None,
    }
    about: Data = {}
    if data.get("schema") is not None:
        about["schema"] = data["schema"]
    if data.get("deadline_ns"):
        about["deadline"] = timestamp_of(data["deadline_ns"])
    path, call = data.get("path", ""), past.calls.get(data.get("call_id", ""))
    place = call.place if call and not path else Place.of(path)
    return [Draft("waiting_for_input", place, fields, about)]


def _input_received(event: StoredEvent, data: Data, past: Past) -> list[Draft]:
    """Of the answer itself only the hash: what people say to a run is not for its watchers."""
    actor = data.get("actor", "")
    return [_fact(event, "respond", actor, said_by=actor, body_hash=_hash_of_response(data))]


def _input_timed_out(event: StoredEvent, data: Data, past: Past) -> list[Draft]:
    place = Place.of(data.get("path", ""))
    return [Draft("interrupt_timeout", place, {"on_timeout": data.get("on_timeout", "")})]


def _branch_started(event: StoredEvent, data: Data, past: Past) -> list[Draft]:
    fields = {"target": data.get("target", ""), "strategy": data.get("strategy", "")}
    return [Draft("branch_started", _branch(data), fields)]


def _branch_finished(event: StoredEvent, data: Data, past: Past) -> list[Draft]:
    outcome = data.get("outcome", "completed")
    if outcome == "completed":
        output = past.outputs.get(data.get("path", ""), {})
        return [Draft("branch_completed", _branch(data), {"result": {"value": output}})]
    reason = _LOST_BRANCH.get(outcome, "cancelled")
    return [Draft("branch_cancelled", _branch(data), {"reason": reason})]


def _artifact_written(event: StoredEvent, data: Data, past: Past) -> list[Draft]:
    digest, place = data.get("digest", ""), Place.of(data.get("path", ""))
    reference = {
        "artifact_id": digest[:32],
        "content_hash": digest,
        "name": data.get("name", ""),
        "content_type": data.get("content_type", ""),
        "run_id": event.run_id,
        "step": data.get("step", place.step),
        "created_at": timestamp_of(event.ts),
    }
    source = {"origin": "tool", "source": "stargraph.artifacts"}
    return [Draft("artifact_written", place, {"artifact_ref": reference, "provenance": source})]


_BUILDERS: dict[int, Builder] = {
    RunStarted.kind: _run_started,
    AssistantMessageCompleted.kind: _turn_completed,
    ToolCallScheduled.kind: _tool_call,
    ToolCallCompleted.kind: _tool_completed,
    ToolCallFailed.kind: _tool_failed,
    RunCompleted.kind: _run_completed,
    RunFailed.kind: _run_failed,
    RunCancelled.kind: _run_cancelled,
    InputRequested.kind: _input_requested,
    InputReceived.kind: _input_received,
    RunPaused.kind: _run_paused,
    RunUnpaused.kind: _run_unpaused,
    NodeFailed.kind: _node_failed,
    StepCompleted.kind: _step_completed,
    BranchStarted.kind: _branch_started,
    BranchFinished.kind: _branch_finished,
    InputTimedOut.kind: _input_timed_out,
    ArtifactWritten.kind: _artifact_written,
    RunRewound.kind: _run_rewound,
    RunForked.kind: _run_forked,
}


def _error(scope: str, place: Place, data: Data, *, is_recoverable: bool, **about: str) -> Draft:
    error_type = data.get("error_type", "")
    message = INTERNAL_ERROR if error_type == INTERNAL else data.get("error", "")
    fields = {"scope": scope, "message": message, "recoverable": is_recoverable}
    return Draft("error", place, fields, {"error_class": error_type, **about})


def _result(status: str, past: Past, duration_ms: int) -> Draft:
    fields = {
        "status": status,
        "final_state": past.state.state(),
        "run_duration_ms": duration_ms,
    }
    return Draft("result", WHOLE_RUN, fields)


def _fact(
    event: StoredEvent,
    kind: str,
    actor: str | None = None,
    *,
    said_by: str | None = None,
    place: Place = WHOLE_RUN,
    **facts: Any,
) -> Draft:
    """A fact as the audit trail writes it. `said_by`: a person's word, not the system's."""
    fields = {
        "pack_id": audit.RUNTIME,
        "pack_version": PACK_VERSION,
        "fact": {"kind": kind, "actor": actor, **facts},
        "provenance": {
            "origin": "system" if said_by is None else "user",
            "source": audit.RUNTIME if said_by is None else said_by,
            "run_id": event.run_id,
            "step": place.step,
            "confidence": 1.0,
            "timestamp": timestamp_of(event.ts).replace("Z", "+00:00"),
        },
    }
    return Draft("bosun_audit", place, fields)


def _branch(data: Data) -> Place:
    return Place(Place.of(data.get("path", "")).step, data.get("branch_id", ""))


def _attempt(data: Data) -> int:
    attempt: int = data.get("attempt", 1)
    return attempt


def _as_object(value: Any) -> Data | None:
    """Tools that return no object are shown as if they returned one."""
    return value if value is None or isinstance(value, dict) else {"result": value}


def _hash_of_response(data: Data) -> str:
    try:
        return canonical_hash(data["response"]) if data else ""
    except NotCanonical:
        return ""


def _namespace_of(tool: str) -> str:
    """Empty for a tool that this process does not know (any more)."""
    try:
        return get_registry().resolve(tool).namespace
    except LookupError:
        return ""
