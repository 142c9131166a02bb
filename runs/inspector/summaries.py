"""An event in one line: its family, what to say of it, and which tool call it belongs to.

Payloads are read leniently here: a log that was tampered with is just what people look at.
"""

from collections.abc import Callable
from typing import Any

from project.lib.clock import to_rfc3339
from runs.event_types import KIND_NAMES
from runs.inspector import formats

EXCERPT_CHARS = 60  # of a message
LINE_CHARS = 160  # of any summary

_FAMILIES = {
    "lifecycle": (1, 3, 15, 26, 27, 30, 31),
    "message": (2, 4, 5),
    "tool": (6, 7, 8, 9, 29),
    "step": (20, 21, 22, 23, 24, 25),
    "budget": (10, 11),
    "terminal": (12, 13, 14),
    "human": (16, 17, 18, 19, 28),
}
_FAMILY_OF = {kind: name for name, kinds in _FAMILIES.items() for kind in kinds}

Data = dict[str, Any]


def family_of(kind: int) -> str:
    """What the row is coloured by; "" for a kind this version does not know."""
    return _FAMILY_OF.get(kind, "")


def summarize(kind: int, data: Data) -> str:
    """The row's text."""
    write = _WRITERS.get(KIND_NAMES.get(kind, ""))
    return _one_line(write(data), LINE_CHARS) if write else ""


def metric_note(kind: int, data: Data) -> str:
    """`$0.0024 · 1227 in / 30 out · cache 0.83` for an answer of the model."""
    if KIND_NAMES.get(kind) != "AssistantMessageCompleted":
        return ""
    tokens_in, tokens_out = _number(data, "input_tokens"), _number(data, "output_tokens")
    parts = [formats.usd(_number(data, "cost_usd")), f"{tokens_in:.0f} in / {tokens_out:.0f} out"]
    cached = _number(data, "cache_read_tokens")
    if cached > 0 and tokens_in > 0:
        parts.append(f"cache {cached / tokens_in:.2f}")  # our input counts include what was cached
    return " · ".join(parts)


def is_inner(data: Data) -> bool:
    """Whether it happened inside a step: in a branch, an item of a map or a subgraph."""
    return ":" in str(data.get("path", ""))


def call_id_of(data: Data) -> str:
    return str(data.get("call_id", ""))


def _number(data: Data, key: str) -> float:
    value = data.get(key)
    return float(value) if isinstance(value, int | float) else 0.0


def _one_line(text: str, limit: int) -> str:
    flat = " ".join(text[: limit * 4].split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def _excerpt(data: Data, key: str) -> str:
    return _one_line(str(data.get(key, "")), EXCERPT_CHARS)


def _answer(data: Data) -> str:
    uses = data.get("tool_uses")
    asked = [str(use.get("tool")) for use in uses if isinstance(use, dict)] if uses else []
    text = _excerpt(data, "text")
    return f"{text} → {', '.join(asked)}" if asked else text


def _failed_call(data: Data) -> str:
    return f"call={data.get('call_id')} {data.get('error_type')} err={data.get('error')}"


def _execution(data: Data) -> str:
    """`step 3 draft`, and for what runs inside of the step also where: `step 3 branch-0 draft`."""
    _, _, inner = str(data.get("path", "")).partition(":")
    parts = [f"step {data.get('step')}", inner.replace(":", " "), str(data.get("node_id") or "")]
    return " ".join(filter(None, parts))


def _finished_node(data: Data) -> str:
    output = data.get("output")
    written = f" wrote {', '.join(map(str, output))}" if isinstance(output, dict) and output else ""
    taken = f"{data.get('duration_ms')}ms" if not data.get("reused") else f"({data['reused']})"
    return f"{_execution(data)} ok {taken}{written}"


def _transition(data: Data) -> str:
    """`step 3 draft → gate by rule again`."""
    targets = data.get("targets")
    several = ", ".join(map(str, targets)) if isinstance(targets, list) else ""
    following = several or str(data.get("to_node") or "") or "end"
    text = f"{_execution(data)} {data.get('from_node')} → {following}"
    if data.get("reason") == "interrupt":
        text += " after a human"
    if data.get("rule_id"):
        text += f" by rule {data['rule_id']}"
    if data.get("halt_reason"):
        text += f": {data['halt_reason']}"
    return text


def _until(data: Data) -> str:
    try:
        return f"until {to_rfc3339(data['until_ns'])[:19]}Z"
    except (KeyError, TypeError, ValueError, OverflowError):
        return "until nobody knows when"


_WRITERS: dict[str, Callable[[Data], str]] = {
    "RunStarted": lambda data: f"model={data.get('provider_id')}/{data.get('model_id')}",
    "UserMessageAppended": lambda data: _excerpt(data, "content"),
    "TurnStarted": lambda data: f"turn={data.get('turn_id')}",
    "ReasoningEmitted": lambda data: _excerpt(data, "content"),
    "AssistantMessageCompleted": _answer,
    "ToolCallScheduled": lambda data: f"tool={data.get('tool')} call={data.get('call_id')}",
    "ToolCallCompleted": lambda data: f"call={data.get('call_id')} ok {data.get('duration_ms')}ms",
    "ToolCallFailed": _failed_call,
    "SideEffectRecorded": lambda data: f"name={data.get('name')}",
    "BudgetExceeded": lambda data: (
        f"budget={data.get('limit')} {data.get('actual')} of {data.get('cap')}"
    ),
    "ContextTruncated": lambda data: (
        f"messages={data.get('messages_before')}→{data.get('messages_after')}"
    ),
    "RunCompleted": lambda data: (
        f"turns={data.get('turn_count')} tools={data.get('tool_call_count')}"
    ),
    "RunFailed": lambda data: f"{data.get('error_type')}: {data.get('error')}",
    "RunCancelled": lambda data: f"reason={data.get('reason')}",
    "RunResumed": lambda data: f"at={data.get('at_seq')} pending={data.get('pending_calls')}",
    "InputRequested": lambda data: f"asks: {data.get('prompt')}",
    "InputReceived": lambda data: f"by={data.get('actor')}",
    "RunPaused": lambda data: f"by={data.get('actor')}",
    "RunUnpaused": lambda data: f"by={data.get('actor')}",
    "NodeStarted": lambda data: f"{_execution(data)} ({data.get('node_kind')})",
    "NodeFinished": _finished_node,
    "NodeFailed": lambda data: (
        f"{_execution(data)} failed {data.get('duration_ms')}ms "
        f"{data.get('error_type')}: {data.get('error')}"
    ),
    "StepCompleted": _transition,
    "BranchStarted": lambda data: (
        f"step {data.get('step')} {data.get('branch_id')} {data.get('target')} "
        f"({data.get('strategy')})"
    ),
    "BranchFinished": lambda data: (
        f"step {data.get('step')} {data.get('branch_id')} {data.get('outcome')}"
    ),
    "TimerSet": _until,
    "RunSuspended": _until,
    "InputTimedOut": lambda data: f"nobody answered: {data.get('on_timeout')}",
    "ArtifactWritten": lambda data: (
        f"{_execution(data)} {data.get('name')} {data.get('content_type')} "
        f"{formats.size(int(_number(data, 'size')))}"
    ),
    "RunRewound": lambda data: f"back to step {data.get('step')} by={data.get('actor')}",
    "RunForked": lambda data: (
        f"of {data.get('parent_run_id')} after step {data.get('step')} {data.get('node_id')} "
        f"by={data.get('actor')}"
    ),
}
