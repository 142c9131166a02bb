"""What the earlier events of a log have to say for a later one to be shown."""

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from runs.event_types import (
    AssistantMessageCompleted,
    NodeFinished,
    RunResumed,
    RunStarted,
    ToolCallScheduled,
    TurnStarted,
)
from runs.graph_api.final_state import StateFold
from runs.log.events import StoredEvent

# "branch-0" of "3:branch-0", "review" of "3:review.0" and "3:review.0:branch-1".
_END_OF_BRANCH = re.compile(r":|\.\d+(?=[.:]|$)")


class Place(NamedTuple):
    """Where in a run something happened."""

    step: int = 0
    branch_id: str | None = None

    @classmethod
    def of(cls, path: str) -> "Place":
        """The place that an event's path names; the run as a whole when it names none."""
        step, _, inner = path.partition(":")
        if not step.isdecimal():
            return WHOLE_RUN
        return cls(int(step), _END_OF_BRANCH.split(inner, maxsplit=1)[0] or None)


WHOLE_RUN = Place()


class Call(NamedTuple):
    """A tool call that was asked for."""

    tool: str
    place: Place


@dataclass(slots=True)
class Past:
    """The fold. It never fails on a redacted event: what that one said is missing, no more."""

    started_ns: int | None = None
    model: str = ""  # as names of models are written on every wire
    calls: dict[str, Call] = field(default_factory=dict)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)  # last one by path
    state: StateFold = field(default_factory=StateFold)
    _turns: dict[str, Place] = field(default_factory=dict)
    _open_turns: set[str] = field(default_factory=set)

    def take(self, event: StoredEvent) -> None:
        self.state.take(event)
        if self.started_ns is None:
            self.started_ns = event.ts
        data = event.data
        match event.kind:
            case RunStarted.kind if data:
                self.model = f"{data['provider_id']}/{data['model_id']}"
            case TurnStarted.kind if data:
                self._turns[data["turn_id"]] = Place.of(data.get("path", ""))
                self._open_turns.add(data["turn_id"])
            case AssistantMessageCompleted.kind if data:
                self._open_turns.discard(data["turn_id"])
            case RunResumed.kind:
                self._open_turns.clear()
            case ToolCallScheduled.kind if data:
                self.calls[data["call_id"]] = Call(data["tool"], self.place_of_turn(data))
            case NodeFinished.kind if data:
                self.outputs[data["path"]] = data["output"]

    def place_of_turn(self, data: dict[str, Any]) -> Place:
        """Of an event that belongs to a turn."""
        return self._turns.get(data.get("turn_id", ""), WHOLE_RUN)

    def is_over(self, turn_id: str) -> bool:
        """Whether the turn's text is recorded already: pieces of it come too late."""
        return turn_id in self._turns and turn_id not in self._open_turns
