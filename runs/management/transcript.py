"""A log as a person reads it: one entry per event, its seq beside it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from project.lib.clock import to_rfc3339
from project.lib.terminal import Cell, Terminal
from runs.event_types import (
    ArtifactWritten,
    AssistantMessageCompleted,
    BranchFinished,
    BranchStarted,
    BudgetExceeded,
    ContextTruncated,
    InputReceived,
    InputRequested,
    InputTimedOut,
    NodeFailed,
    NodeFinished,
    NodeStarted,
    Payload,
    ReasoningEmitted,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunForked,
    RunPaused,
    RunResumed,
    RunRewound,
    RunStarted,
    RunSuspended,
    RunUnpaused,
    SideEffectRecorded,
    StepCompleted,
    TimerSet,
    ToolCallCompleted,
    ToolCallFailed,
    ToolCallScheduled,
    TurnStarted,
    UserMessageAppended,
)
from runs.log.events import StoredEvent, to_json

#: Characters of one text that a terminal shows; a pipe gets all of it.
CLIPPED_AT = 4_000


@dataclass(frozen=True, slots=True)
class Entry:
    """What one event amounts to: a heading, a remark behind it, and text below."""

    heading: str
    style: str = ""
    remark: str = ""
    text: str = ""
    text_style: str = ""


@dataclass(slots=True)
class Transcript:
    """Writes events as they come. `turns` is the number of turns before the first of them."""

    terminal: Terminal
    turns: int = 0
    redactions: Mapping[int, str] = field(default_factory=dict)  # seq → who and why
    _turn_id: str = ""
    _tools: dict[str, str] = field(default_factory=dict)  # call id → tool
    _answer: str = ""

    def write(self, event: StoredEvent, *, without_text: bool = False) -> None:
        """`without_text` when a person has just seen it stream."""
        entry = self._entry(event)
        remark = f"  {entry.remark}" if entry.remark else ""
        self.terminal.styled(
            (
                Cell(f"{event.seq:>5}  ", "dim"),
                Cell(_flat(entry.heading), entry.style),
                Cell(_flat(remark, strip=False), "dim"),
            )
        )
        if entry.text and not without_text:
            for line in self._clip(entry.text).splitlines():
                self.terminal.line(f"       {line}", entry.text_style)

    def _entry(self, event: StoredEvent) -> Entry:
        if event.is_redacted:
            record = self.redactions.get(event.seq)
            why = f"redacted by {record}" if record else "its payload is missing"
            return Entry(event.kind_name, "yellow", f"[{why}]")
        try:
            payload = event.typed()
            return _ENTRIES[type(payload)](self, payload)
        except (KeyError, TypeError, AttributeError):
            # Another version's kind, or a damaged payload: show what is there.
            return Entry(event.kind_name, text=_json(event.data))

    def _clip(self, text: str) -> str:
        left = len(text) - CLIPPED_AT
        if not self.terminal.is_rich or left <= 0:
            return text
        return f"{text[:CLIPPED_AT]}\n… ({left:,} more characters; `runs export` has them)"

    def run_started(self, event: RunStarted) -> Entry:
        remark = f"{event.provider_id}/{event.model_id}, graph {event.graph_id or 'agent'}"
        if event.budget:
            remark += f", budget {_json(event.budget)}"
        return Entry("goal", "bold", remark, event.goal)

    def message(self, event: UserMessageAppended) -> Entry:
        self._answer = ""
        return Entry("message", "bold", text=event.content)

    def turn_started(self, event: TurnStarted) -> Entry:
        # A turn that is asked again after a takeover keeps its id, and its number.
        self.turns += event.turn_id != self._turn_id
        self._turn_id = event.turn_id
        return Entry(f"turn {self.turns}", "bold")

    def reasoning(self, event: ReasoningEmitted) -> Entry:
        text = "[hidden by the provider]" if event.redacted else event.content
        return Entry("reasoning", "dim", text=text, text_style="dim italic")

    def answer(self, event: AssistantMessageCompleted) -> Entry:
        self._answer = event.text
        remark = f"{event.input_tokens} tokens in, {event.output_tokens} out, ${event.cost_usd:.6f}"
        return Entry("answer", "cyan", remark, event.text)

    def scheduled(self, event: ToolCallScheduled) -> Entry:
        self._tools[event.call_id] = event.tool
        remark = f"attempt {event.attempt}" if event.attempt > 1 else ""
        return Entry(f"→ {event.tool}", "blue", remark, _json(event.args))

    def completed_call(self, event: ToolCallCompleted) -> Entry:
        return Entry(
            f"← {self._tool(event.call_id)}", "blue", f"{event.duration_ms} ms", _json(event.result)
        )

    def failed_call(self, event: ToolCallFailed) -> Entry:
        remark = f"{event.error_type}, {event.duration_ms} ms"
        return Entry(f"✗ {self._tool(event.call_id)}", "red", remark, event.error)

    def side_effect(self, event: SideEffectRecorded) -> Entry:
        return Entry("recorded", "dim", f"{event.name} = {_json(event.value)}")

    def budget(self, event: BudgetExceeded) -> Entry:
        remark = f"{event.limit}: {event.actual:g} of {event.cap:g}, {event.where}"
        return Entry("budget exceeded", "yellow", remark, event.partial_text)

    def truncated(self, event: ContextTruncated) -> Entry:
        remark = f"{event.messages_before} messages to {event.messages_after}"
        return Entry("context compacted", "dim", remark)

    def completed(self, event: RunCompleted) -> Entry:
        is_new = event.final_text != self._answer
        return Entry("completed", "bold green", text=event.final_text if is_new else "")

    def failed(self, event: RunFailed) -> Entry:
        return Entry("failed", "bold red", event.error_type, event.error)

    def cancelled(self, event: RunCancelled) -> Entry:
        return Entry("cancelled", "bold yellow", event.reason)

    def resumed(self, event: RunResumed) -> Entry:
        remark = f"{event.pending_calls} calls issued again" if event.pending_calls else ""
        return Entry("resumed by another worker", "dim", remark, event.extra_message)

    def input_requested(self, event: InputRequested) -> Entry:
        return Entry("waits for an answer", "yellow", text=event.prompt)

    def input_received(self, event: InputReceived) -> Entry:
        return Entry("answered", "bold", f"by {event.actor}", _json(event.response))

    def paused(self, event: RunPaused) -> Entry:
        return Entry("paused", "yellow", f"by {event.actor}", event.reason)

    def unpaused(self, event: RunUnpaused) -> Entry:
        return Entry("goes on", "yellow", f"by {event.actor}")

    def node_started(self, event: NodeStarted) -> Entry:
        return Entry(f"{_place(event.path)} {event.node_id}", "bold magenta", event.node_kind)

    def node_finished(self, event: NodeFinished) -> Entry:
        remark = f"not executed: {event.reused}" if event.reused else f"{event.duration_ms} ms"
        text = _json(event.output) if event.output else ""
        return Entry(f"{_place(event.path)} {event.node_id} done", "magenta", remark, text)

    def node_failed(self, event: NodeFailed) -> Entry:
        remark = f"{event.error_type}, {event.duration_ms} ms"
        return Entry(f"{_place(event.path)} {event.node_id} failed", "red", remark, event.error)

    def step(self, event: StepCompleted) -> Entry:
        following = ", ".join(event.targets or ()) or event.to_node or "end"
        remarks = ["a human is asked"] if event.gate else []
        remarks += [f"rule {event.rule_id}"] if event.rule_id else []
        remarks += [event.halt_reason] if event.halt_reason else []
        step = _place(event.path, event.step)
        return Entry(f"{step} {event.from_node} → {following}", "magenta", "; ".join(remarks))

    def branch_started(self, event: BranchStarted) -> Entry:
        return Entry(f"{_place(event.path)} begins with {event.target}", "dim", event.strategy)

    def branch_finished(self, event: BranchFinished) -> Entry:
        return Entry(f"{_place(event.path)} {event.outcome}", "dim")

    def timer(self, event: TimerSet | RunSuspended) -> Entry:
        return Entry("sleeps", "yellow", f"until {to_rfc3339(event.until_ns)}")

    def timed_out(self, event: InputTimedOut) -> Entry:
        return Entry("nobody answered in time", "yellow", event.on_timeout)

    def artifact(self, event: ArtifactWritten) -> Entry:
        remark = f"{event.content_type}, {event.size:,} bytes"
        return Entry(f"{_place(event.path)} kept {event.name}", "blue", remark)

    def rewound(self, event: RunRewound) -> Entry:
        return Entry(f"goes on from step {event.step}", "yellow", f"by {event.actor}")

    def forked(self, event: RunForked) -> Entry:
        remark = f"by {event.actor}" + (f": {event.reason}" if event.reason else "")
        heading = f"fork of {event.parent_run_id} after step {event.step}, {event.node_id}"
        return Entry(heading, "bold", remark, _json(event.mutation))

    def _tool(self, call_id: str) -> str:
        """`runs follow --after` may begin between a call and its outcome."""
        return self._tools.get(call_id, f"call {call_id}")


_ENTRIES: dict[type[Payload], Callable[[Transcript, Any], Entry]] = {
    RunStarted: Transcript.run_started,
    UserMessageAppended: Transcript.message,
    TurnStarted: Transcript.turn_started,
    ReasoningEmitted: Transcript.reasoning,
    AssistantMessageCompleted: Transcript.answer,
    ToolCallScheduled: Transcript.scheduled,
    ToolCallCompleted: Transcript.completed_call,
    ToolCallFailed: Transcript.failed_call,
    SideEffectRecorded: Transcript.side_effect,
    BudgetExceeded: Transcript.budget,
    ContextTruncated: Transcript.truncated,
    RunCompleted: Transcript.completed,
    RunFailed: Transcript.failed,
    RunCancelled: Transcript.cancelled,
    RunResumed: Transcript.resumed,
    InputRequested: Transcript.input_requested,
    InputReceived: Transcript.input_received,
    RunPaused: Transcript.paused,
    RunUnpaused: Transcript.unpaused,
    NodeStarted: Transcript.node_started,
    NodeFinished: Transcript.node_finished,
    NodeFailed: Transcript.node_failed,
    StepCompleted: Transcript.step,
    BranchStarted: Transcript.branch_started,
    BranchFinished: Transcript.branch_finished,
    TimerSet: Transcript.timer,
    RunSuspended: Transcript.timer,
    InputTimedOut: Transcript.timed_out,
    ArtifactWritten: Transcript.artifact,
    RunRewound: Transcript.rewound,
    RunForked: Transcript.forked,
}


def _place(path: str, step: int | None = None) -> str:
    """`step 3`, or `step 3 branch-0` inside of it; a subgraph counts its own steps."""
    outer, _, inner = path.partition(":")
    words = ["step", outer if path else str(step), inner.replace(":", " ")]
    if path and step is not None:
        words.append(f"step {step}")
    return " ".join(filter(None, words))


def _json(value: Any) -> str:
    return to_json(value).decode()


def _flat(text: str, *, strip: bool = True) -> str:
    """A heading stays one line, whatever a model called its tool."""
    text = text.replace("\n", " ").replace("\t", " ")
    return text.strip() if strip else text
