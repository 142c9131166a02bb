"""The state a run has reached, folded from its log."""

from typing import Any

from runs.event_types import (
    NodeFinished,
    NodeStarted,
    RunCompleted,
    RunForked,
    RunRewound,
    RunStarted,
    StepCompleted,
)
from runs.log.events import StoredEvent

State = dict[str, Any]


class StateFold:
    """State fields of a graph; of a single agent its goal, its inputs and, at the end, its answer.

    What a step put out counts once the step is complete.
    """

    def __init__(self) -> None:
        self._base: State = {}
        self._steps: list[tuple[int, State]] = []  # a rewound run drops the last ones
        self._outputs: dict[str, State] = {}  # by path, of steps under way
        self._is_graph = False

    def take(self, event: StoredEvent) -> None:
        """Take in the next event. A redacted one changes nothing."""
        data = event.data
        match event.kind:
            case RunStarted.kind:
                self._base = {**(data.get("inputs") or {}), "goal": data.get("goal", "")}
            case RunForked.kind:
                self._base = dict(data.get("state") or {})
            case NodeStarted.kind:
                self._is_graph = True
            case NodeFinished.kind:
                self._outputs[data.get("path", "")] = data.get("output") or {}
            case StepCompleted.kind if not data.get("path"):
                self._complete(data)
            case RunRewound.kind:
                self._steps = [pair for pair in self._steps if pair[0] <= data.get("step", -1)]
                self._outputs.clear()
            case RunCompleted.kind if not self._is_graph:
                self._base["answer"] = data.get("final_text", "")

    def state(self) -> State:
        state = dict(self._base)
        for _, output in self._steps:
            state |= output
        return state

    def _complete(self, data: dict[str, Any]) -> None:
        step = data.get("step", 0)
        merged = data.get("merged")
        output = self._outputs.get(str(step), {}) if merged is None else merged
        self._steps.append((step, output))
        self._outputs.clear()
