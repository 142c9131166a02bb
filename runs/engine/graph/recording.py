"""A recorded graph run, as a replay reads it: whose each event is, and what came from outside."""

from collections import defaultdict
from collections.abc import Sequence

from runs.engine.graph.branches import BRANCH_CANCELLED
from runs.event_types import (
    AssistantMessageCompleted,
    BranchFinished,
    BranchStarted,
    BudgetExceeded,
    InputReceived,
    InputRequested,
    InputTimedOut,
    NodeStarted,
    Payload,
    ReasoningEmitted,
    RunCancelled,
    RunFailed,
    RunForked,
    RunPaused,
    RunResumed,
    RunRewound,
    RunUnpaused,
    SideEffectRecorded,
    ToolCallCompleted,
    ToolCallFailed,
    ToolCallScheduled,
    TurnStarted,
)
from runs.log.events import StoredEvent

#: Written by services and by workers that took over, whatever the run did.
_OUTSIDE = (RunForked, RunPaused, RunUnpaused, RunResumed, RunRewound, RunCancelled)
#: What went wrong in the worker, not in the run.
INTERNAL = "internal"

CallKey = tuple[str, int]  # call id, attempt


class Recording:
    """Everything a replay looks up. Side effects belong to their calls and are no steps of it."""

    def __init__(self, events: Sequence[StoredEvent]) -> None:
        self.payloads: list[Payload] = []
        self.owners: list[str] = []  # path of the execution that recorded it; "" the run itself
        self.outside: list[bool] = []
        self.outcomes: dict[CallKey, ToolCallCompleted | ToolCallFailed] = {}
        self.asked: dict[str, InputRequested] = {}  # by call id
        self.side_effects: dict[CallKey, list[SideEffectRecorded]] = defaultdict(list)
        self.versions: dict[str, str] = {}  # of subgraphs: graph id → hash
        self._turns: dict[str, str] = {}
        self._calls: dict[str, str] = {}
        self._attempts: dict[str, int] = {}
        self._is_asked = False
        for event in events:
            self._take(event.typed())
        self._assign_cancelled_calls()

    def _take(self, payload: Payload) -> None:
        is_outside = self._is_from_outside(payload)
        self._note(payload)
        self.outside.append(is_outside)
        self.owners.append(self._owner_of(payload))
        self.payloads.append(payload)

    def _is_from_outside(self, payload: Payload) -> bool:
        follows_outside = bool(self.outside) and self.outside[-1]
        match payload:
            case InputReceived():
                return self._is_asked  # what a fork answers by itself was never asked
            case BudgetExceeded(limit="wall_clock", path=""):
                return True
            case RunFailed():
                return payload.error_type == INTERNAL or self._is_out_of_time()
            case ToolCallFailed(error_type="interrupted"):
                return True
            case ToolCallScheduled():
                return follows_outside and payload.attempt > 1
        return isinstance(payload, _OUTSIDE)

    def _is_out_of_time(self) -> bool:
        newest = self.payloads[-1] if self.payloads else None
        return isinstance(newest, BudgetExceeded) and self.outside[-1]

    def _note(self, payload: Payload) -> None:
        match payload:
            case InputRequested():
                self._is_asked = True
                if payload.call_id:
                    self.asked[payload.call_id] = payload
            case SideEffectRecorded():
                key = (payload.call_id, self._attempts.get(payload.call_id, 1))
                self.side_effects[key].append(payload)
            case ToolCallScheduled():
                self._attempts[payload.call_id] = payload.attempt
                self._calls.setdefault(payload.call_id, payload.turn_id)
            case ToolCallCompleted() | ToolCallFailed():
                self.outcomes[payload.call_id, payload.attempt] = payload
            case NodeStarted(graph_hash=version) if version:
                self.versions.setdefault(payload.graph_id, version)
            case TurnStarted():
                self._turns[payload.turn_id] = payload.path
            case AssistantMessageCompleted():
                path = self._turns.get(payload.turn_id, "")
                self._calls.update((use["call_id"], path) for use in payload.tool_uses or ())
            case InputReceived() | InputTimedOut() | RunRewound():
                self._is_asked = False

    def _owner_of(self, payload: Payload) -> str:
        match payload:
            case InputRequested():
                return ""  # only the run can wait
            case BranchStarted() | BranchFinished():
                return payload.path.rpartition(":")[0]
            case AssistantMessageCompleted() | ReasoningEmitted():
                return self._turns.get(payload.turn_id, "")
            case ToolCallScheduled() | ToolCallCompleted() | ToolCallFailed():
                return self._calls.get(payload.call_id, "")
        return str(getattr(payload, "path", ""))

    def _assign_cancelled_calls(self) -> None:
        """Who cancels a branch gives its open calls their outcome, and then the branch."""
        owner = ""
        for index in range(len(self.payloads) - 1, -1, -1):
            payload = self.payloads[index]
            if isinstance(payload, BranchFinished):
                owner = self.owners[index]
            elif isinstance(payload, ToolCallFailed) and payload.error == BRANCH_CANCELLED:
                self.owners[index] = owner
