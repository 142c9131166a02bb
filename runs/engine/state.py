"""Where an agent run stands, folded from its log.

The live loop, crash recovery and replay all advance this state by the same `apply`, with payloads
exactly as recorded; nothing else changes it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from runs.engine.fork_effects import CallsMade
from runs.engine.message_maps import message_from_map
from runs.engine.prompt import encode_message
from runs.event_types import (
    AssistantMessageCompleted,
    BudgetExceeded,
    ContextTruncated,
    InputReceived,
    InputRequested,
    Payload,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunForked,
    RunPaused,
    RunResumed,
    RunStarted,
    RunUnpaused,
    ToolCallCompleted,
    ToolCallFailed,
    ToolCallScheduled,
    TurnStarted,
    UserMessageAppended,
)
from runs.providers.base import Message, ToolUse


@dataclass(slots=True)
class Outcome:
    """What became of a tool call, as the model will read it."""

    result: Any
    is_error: bool


@dataclass(slots=True)
class AgentState:
    """The fold of an agent run's log. `opening` makes the first messages of a RunStarted."""

    opening: Callable[[RunStarted], list[Message]]
    started: RunStarted | None = None
    messages: list[Message] = field(default_factory=list)
    encoded: list[bytes] = field(default_factory=list)  # `messages`, each as prompt_hash sees it
    sizes: list[int] = field(default_factory=list)  # of `messages`, as the estimate counts
    units: int = 0  # the sum of `sizes`
    turn_ids: set[str] = field(default_factory=set)  # a re-issued turn keeps its id
    open_turn: str = ""
    interrupted_turn: str = ""  # opened, then cut off by a takeover: to be asked again
    plan: tuple[ToolUse, ...] = ()  # calls of the newest answer, while any lacks its outcome
    attempts: dict[str, int] = field(default_factory=dict)  # newest scheduled attempt per call
    open_calls: set[str] = field(default_factory=set)  # scheduled, no outcome yet
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    failures: dict[str, ToolCallFailed] = field(default_factory=dict)  # of the newest plan
    last_plan: tuple[ToolUse, ...] = ()
    held_back: list[str] = field(default_factory=list)  # said by users while calls were open
    plan_turn: str = ""  # the turn that asked for `last_plan`
    answers: dict[str, Any] = field(default_factory=dict)  # call id → a human's response
    awaiting: str | None = None  # the call (or "") whose answer is awaited
    is_paused: bool = False
    answer: AssistantMessageCompleted | None = None  # newest, when it asked for no tools
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    waited_ns: int = 0  # for humans; the wall-clock budget does not count it
    waiting_since_ns: int = 0
    started_ns: int = 0
    forked: RunForked | None = None
    calls_made: CallsMade = field(default_factory=CallsMade)  # by a fork
    lost_workers: int = 0  # in a row, with no outcome between them
    terminal: Payload | None = None
    last: Payload | None = None

    @property
    def turns(self) -> int:
        return len(self.turn_ids)

    def first_failure(self) -> tuple[ToolUse, ToolCallFailed] | None:
        """The failed call of the newest plan that the model asked for first."""
        for use in self.last_plan:
            if use.call_id in self.failures:
                return use, self.failures[use.call_id]
        return None

    def missing_calls(self) -> list[ToolUse]:
        """Planned calls without an outcome, in plan order."""
        return [use for use in self.plan if use.call_id not in self.outcomes]

    def apply(self, payload: Payload, ts: int) -> None:
        """Take in the next event of the log."""
        self.last = payload
        match payload:
            case RunStarted():
                self.started, self.started_ns = payload, ts
                for message in self.opening(payload):
                    self._say(message)
            case RunForked():
                self._take_fork(payload)
            case UserMessageAppended():
                self._say_when_answered(payload.content)
                self.answer = None
            case TurnStarted():
                self.turn_ids.add(payload.turn_id)
                self.open_turn, self.interrupted_turn = payload.turn_id, ""
            case AssistantMessageCompleted():
                self._take_answer(payload)
            case ToolCallScheduled():
                self.attempts[payload.call_id] = payload.attempt
                self.open_calls.add(payload.call_id)
                if self.forked is not None:
                    self.calls_made.take(payload)
            case ToolCallCompleted():
                self.lost_workers = 0
                self._take_outcome(payload.call_id, Outcome(payload.result, False))
            case ToolCallFailed():
                self._take_failure(payload)
            case BudgetExceeded():
                self.open_turn = ""
            case ContextTruncated():
                self.keep_newest(payload.messages_after)
            case RunResumed():
                self.lost_workers += 1
                self.interrupted_turn, self.open_turn = self.open_turn or self.interrupted_turn, ""
                self.open_calls.clear()
                if payload.extra_message:
                    self._say_when_answered(payload.extra_message)
            case InputRequested():
                self.awaiting, self.waiting_since_ns = payload.call_id, ts
            case RunPaused():
                self.is_paused, self.waiting_since_ns = True, ts
            case InputReceived():
                self.lost_workers = 0
                self.answers[payload.call_id] = payload.response
                self.awaiting = None
                self._stop_waiting(ts)
            case RunUnpaused():
                self.is_paused = False
                self._stop_waiting(ts)
            case RunCompleted() | RunFailed() | RunCancelled():
                self.terminal = payload

    def _take_fork(self, payload: RunForked) -> None:
        """Begin with the parent's conversation; what it cost is the parent's."""
        self.forked = payload
        self.messages, self.encoded, self.sizes, self.units = [], [], [], 0
        for shown in payload.state["messages"]:
            self._say(message_from_map(shown))
        last = self.messages[-1]
        if last.role == "assistant" and not last.tool_uses:
            self.answer = AssistantMessageCompleted("", last.text, "", 0, 0, 0.0)

    def keep_newest(self, count: int) -> None:
        """Compaction: keep the first message (the goal) and the newest `count - 1`."""
        newest = slice(len(self.messages) - (count - 1), None) if count > 1 else slice(0, 0)
        self.messages = [self.messages[0], *self.messages[newest]]
        self.encoded = [self.encoded[0], *self.encoded[newest]]
        self.sizes = [self.sizes[0], *self.sizes[newest]]
        self.units = sum(self.sizes)

    def _say_when_answered(self, content: str) -> None:
        """A user's message. Providers accept nothing between tool calls and their results."""
        if self.plan:
            self.held_back.append(content)
        else:
            self._say(Message("user", content))

    def _say(self, message: Message) -> None:
        encoded, units = encode_message(message)
        self.messages.append(message)
        self.encoded.append(encoded)
        self.sizes.append(units)
        self.units += units

    def _take_answer(self, payload: AssistantMessageCompleted) -> None:
        self.open_turn, self.lost_workers = "", 0
        self.input_tokens += payload.input_tokens
        self.output_tokens += payload.output_tokens
        self.cost_usd += payload.cost_usd
        uses = tuple(
            ToolUse(use["call_id"], use["tool"], use["args"]) for use in payload.tool_uses or ()
        )
        self._say(Message("assistant", payload.text, uses))
        self.plan, self.outcomes, self.failures = uses, {}, {}
        self.last_plan, self.plan_turn = uses, payload.turn_id
        self.answer = None if uses else payload

    def _take_failure(self, payload: ToolCallFailed) -> None:
        self.open_calls.discard(payload.call_id)
        if payload.final:
            self.failures[payload.call_id] = payload
            error = {"error": payload.error, "error_type": payload.error_type}
            self._take_outcome(payload.call_id, Outcome(error, True))

    def _take_outcome(self, call_id: str, outcome: Outcome) -> None:
        self.open_calls.discard(call_id)
        self.outcomes[call_id] = outcome
        if all(use.call_id in self.outcomes for use in self.plan):
            for use in self.plan:
                mine = self.outcomes[use.call_id]
                self._say(
                    Message(
                        "tool",
                        call_id=use.call_id,
                        tool=use.tool,
                        result=mine.result,
                        is_error=mine.is_error,
                    )
                )
            self.plan = ()
            for content in self.held_back:
                self._say(Message("user", content))
            self.held_back.clear()

    def _stop_waiting(self, ts: int) -> None:
        self.waited_ns += max(0, ts - self.waiting_since_ns)
