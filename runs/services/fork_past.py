"""What a parent did after the step it is forked at: the answers and effects that a fork reuses."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runs.engine.fork_effects import mutated, retracted, same_call
from runs.engine.graph.state import gate_key
from runs.event_types import (
    InputReceived,
    InputRequested,
    NodeStarted,
    Payload,
    RunForked,
    RunRewound,
    StepCompleted,
    ToolCallCompleted,
    ToolCallFailed,
    ToolCallScheduled,
    TurnStarted,
)
from runs.log.events import StoredEvent
from runs.tools.registry import get_registry

_INHERITED = ("node_output_overrides", "respond_payloads")


@dataclass(frozen=True, slots=True)
class _Answer:
    step: int
    gate: str
    response: Any


@dataclass(frozen=True, slots=True)
class _Effect:
    step: int
    call: ToolCallScheduled
    outcome: ToolCallCompleted | ToolCallFailed


@dataclass(slots=True)
class Past:
    """Read from a log, event by event. Of a rewound run the newest way counts."""

    forked_at: int
    forked: RunForked | None = None  # of a parent that is a fork itself
    asked: set[str] = field(default_factory=set)  # calls that asked a human
    versions: dict[str, str] = field(default_factory=dict)  # of subgraphs: graph id → hash
    _step: int = 0  # the one under way
    _answers: list[_Answer] = field(default_factory=list)
    _effects: list[_Effect] = field(default_factory=list)
    _calls: dict[str, ToolCallScheduled] = field(default_factory=dict)
    _nodes: dict[str, str] = field(default_factory=dict)  # path → node id
    _turns: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, events: Sequence[StoredEvent], step: int) -> "Past":
        past = cls(step)
        for event in events:
            if not event.is_redacted:
                past._take(event.typed())
        return past

    def _take(self, payload: Payload) -> None:
        match payload:
            case RunForked():
                self.forked, self._step = payload, payload.step
                self.versions.update(payload.versions or {})
            case StepCompleted(path=""):
                self._step = payload.step + 1
            case TurnStarted(path="") if payload.turn_id not in self._turns:
                # A single agent's; one that a crash cut off is asked again under its id.
                first = 0 if self.forked is None else self.forked.step + 1
                self._step = first + len(self._turns)
                self._turns.add(payload.turn_id)
            case NodeStarted():
                self._nodes[payload.path] = payload.node_id
                if payload.graph_hash:
                    self.versions.setdefault(payload.graph_id, payload.graph_hash)
            case RunRewound():
                self._step = payload.step + 1
                self._answers = [item for item in self._answers if item.step <= payload.step]
            case InputRequested():
                self.asked.add(payload.call_id)
            case InputReceived(call_id=""):
                gate = gate_key(payload.path, self._nodes.get(payload.path, ""))
                self._answers.append(_Answer(self._step, gate, payload.response))
            case ToolCallScheduled():
                self._calls[payload.call_id] = payload
            case ToolCallCompleted() | ToolCallFailed() if payload.call_id in self._calls:
                call = self._calls[payload.call_id]
                self._effects.append(_Effect(self._step, call, payload))

    def answers(self) -> dict[str, list[Any]]:
        """What humans answered at gates after the step, by gate, in order."""
        later: dict[str, list[Any]] = defaultdict(list)
        used: Counter[str] = Counter()
        for item in self._answers:
            used[item.gate] += 1
            if item.step > self.forked_at:
                later[item.gate].append(item.response)
        before = (self.forked.answers or {}) if self.forked is not None else {}
        for gate, responses in before.items():
            later[gate] += responses[used[gate] :]  # those that the parent did not come to
        return {gate: responses for gate, responses in later.items() if responses}

    def effects(self, replaced: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Outcomes of calls with effects, and of those that asked a human.

        First those after the step, in the order of the log, then the earlier ones.
        """
        effectful = {tool.name for tool in get_registry().all() if tool.has_effects}
        inherited = list((self.forked.effects or ()) if self.forked is not None else ())
        stood_in = {same_call(entry["tool"], entry["args"]) for entry in inherited}
        used: Counter[bytes] = Counter()
        later: list[dict[str, Any]] = []
        earlier: list[dict[str, Any]] = []
        for item in self._effects:
            key = same_call(item.call.tool, item.call.args)
            used[key] += 1
            is_asked = item.call.call_id in self.asked
            if item.call.tool not in effectful and not is_asked and key not in stood_in:
                continue
            answer = replaced.get(str(item.step)) if is_asked else None
            (later if item.step > self.forked_at else earlier).append(_entry(item, answer))
        unused = []
        for entry in inherited:
            key = same_call(entry["tool"], entry["args"])
            if used[key] > 0:
                used[key] -= 1
            else:
                unused.append(entry)
        return [*later, *unused, *earlier]

    def inherited(self) -> dict[str, Any]:
        """What the mutation of a parent that is a fork itself goes on to change."""
        if self.forked is None:
            return {}
        found: dict[str, Any] = {key: mutated(self.forked, key) for key in _INHERITED}
        if self.forked.step == self.forked_at:
            found["facts_retract"] = retracted(self.forked)
        return {key: values for key, values in found.items() if values}


def _entry(effect: _Effect, answer: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {"tool": effect.call.tool, "args": effect.call.args}
    outcome = effect.outcome
    if isinstance(outcome, ToolCallFailed):
        return entry | {"error": outcome.error, "error_type": outcome.error_type}
    return entry | {"result": outcome.result if answer is None else {"response": answer}}
