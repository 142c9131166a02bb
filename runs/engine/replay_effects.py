"""The outside of a replayed run: answers and outcomes as recorded, pure tools for real."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from runs.engine.model_call import Answer, Reasoning
from runs.engine.tool_calls import CallContext, Caller, Waiting, run_call
from runs.event_types import (
    AssistantMessageCompleted,
    BudgetExceeded,
    InputReceived,
    InputRequested,
    Payload,
    ReasoningEmitted,
    RunCancelled,
    RunFailed,
    RunPaused,
    RunResumed,
    RunUnpaused,
    SideEffectRecorded,
    ToolCallCompleted,
    ToolCallFailed,
    ToolCallScheduled,
    UserMessageAppended,
)
from runs.providers.base import ModelRequest, ToolUse, Usage
from runs.tools.base import WaitForInput

if TYPE_CHECKING:
    from runs.engine.journal import Journal
    from runs.engine.replay_journal import ReplayJournal
    from runs.engine.start import Agent
    from runs.engine.state import AgentState


class Interrupted(Exception):
    """The recorded run never got this outcome: it crashed, was cancelled or ran out of budget."""


class ReplayEffects:
    """Feeds the agent loop from a recording."""

    def __init__(self, agent: "Agent", journal: "ReplayJournal[AgentState]") -> None:
        self._agent = agent
        self._journal = journal
        self._outcomes: dict[tuple[str, int], ToolCallCompleted | ToolCallFailed] = {}
        self._order: dict[tuple[str, int], int] = {}  # when each outcome was recorded
        self._asked: dict[str, InputRequested] = {}
        self._side_effects: dict[str, list[SideEffectRecorded]] = defaultdict(list)
        self._turnstile = _Turnstile()
        for event in journal.events:
            payload = event.typed()
            if isinstance(payload, ToolCallCompleted | ToolCallFailed):
                self._outcomes[(payload.call_id, payload.attempt)] = payload
                self._order[(payload.call_id, payload.attempt)] = event.seq
            elif isinstance(payload, InputRequested):
                self._asked[payload.call_id] = payload
            elif isinstance(payload, SideEffectRecorded):
                self._side_effects[payload.call_id].append(payload)

    async def boundary(self) -> bool:
        """Adopt what came from outside at this point; true when that ended the run."""
        while self._is_from_outside():
            self._journal.adopt()
        return self._journal.state.terminal is not None or self._journal.state.is_paused

    def _is_from_outside(self) -> bool:
        event = self._journal.peek()
        if event is None:
            return False
        match event.typed():
            case (
                UserMessageAppended() | RunPaused() | RunUnpaused() | RunResumed() | RunCancelled()
            ):
                return True
            case BudgetExceeded(limit="wall_clock" | "spending"):
                return True
            case RunFailed():
                return isinstance(self._journal.state.last, BudgetExceeded)
            case ToolCallFailed(error_type="interrupted" | "cancelled"):
                return True
        return False

    def adopt_seam(self) -> bool:
        """Adopt a whole cut: what was lost, the takeover or answer, and the calls issued again.

        False when the recording has none here.
        """
        adopted = False
        while (event := self._journal.peek()) is not None:
            payload = event.typed()
            if isinstance(payload, ToolCallScheduled):
                if not isinstance(self._journal.state.last, RunResumed | ToolCallScheduled):
                    break
            elif not isinstance(
                payload,
                ToolCallFailed
                | RunResumed
                | BudgetExceeded
                | RunFailed
                | RunCancelled
                | InputReceived
                | RunPaused
                | RunUnpaused,
            ):
                break
            self._journal.adopt()
            adopted = True
        return adopted

    async def call_model(
        self,
        turn_id: str,
        request: ModelRequest,
        on_text: Callable[[str, int], None],
        check: Callable[[Usage], object],
    ) -> Answer:
        answer = Answer()
        position = self._journal.peek_from_here()
        for event in position:
            payload = event.typed()
            if isinstance(payload, ReasoningEmitted):
                answer.reasoning.append(
                    Reasoning(payload.content, payload.signature, payload.redacted)
                )
            elif isinstance(payload, AssistantMessageCompleted):
                return answer_of(payload, answer)
            else:
                break
        raise Interrupted

    async def spending(self) -> None:
        """What others spent at that time is in the recording, where it stopped the run."""
        return

    async def call_tool(self, use: ToolUse, attempt: int) -> Payload | Waiting:
        key = (use.call_id, attempt)
        recorded = self._outcomes.get(key)
        await self._turnstile.wait_for(self._order.get(key), self._orders_of_plan())
        tool = self._agent.tools.get(use.tool)
        if recorded is None or (
            isinstance(recorded, ToolCallFailed)
            and recorded.error_type in ("interrupted", "cancelled")
        ):
            asked = self._asked.get(use.call_id)
            if asked is None:
                raise Interrupted
            return Waiting(use, WaitForInput(asked.prompt, schema=asked.schema))
        if tool is not None and tool.side_effects != "none":
            outcome: Payload | Waiting = recorded
        else:
            caller = Caller(
                self._journal.report.run_id, "", None, frozenset(tool.permissions if tool else ())
            )
            context = ReplayContext(
                caller, use.call_id, self._journal, self._side_effects[use.call_id]
            )
            outcome = await run_call(tool, use, attempt, context)
        self._turnstile.passed(self._order[key])
        return outcome

    def _orders_of_plan(self) -> list[int]:
        state = self._journal.state
        keys = [(use.call_id, state.attempts[use.call_id]) for use in state.missing_calls()]
        return sorted(self._order[key] for key in keys if key in self._order)


def answer_of(payload: AssistantMessageCompleted, answer: Answer) -> Answer:
    answer.text = payload.text
    answer.stop_reason = payload.stop_reason
    answer.usage = Usage(
        payload.input_tokens,
        payload.output_tokens,
        payload.cache_read_tokens,
        payload.cache_create_tokens,
    )
    answer.raw_response_hash = payload.raw_response_hash
    answer.provider_request_id = payload.provider_request_id
    answer.uses = tuple(
        ToolUse(use["call_id"], use["tool"], use["args"]) for use in payload.tool_uses or ()
    )
    return answer


class _Turnstile:
    """Lets parallel calls finish one by one, in the order in which they did when recorded."""

    def __init__(self) -> None:
        self._condition = asyncio.Condition()
        self._passed: set[int] = set()

    async def wait_for(self, order: int | None, all_orders: list[int]) -> None:
        earlier = [other for other in all_orders if order is None or other < order]
        async with self._condition:
            await self._condition.wait_for(lambda: self._passed.issuperset(earlier))

    def passed(self, order: int) -> None:
        self._passed.add(order)
        # The caller's outcome is noted before any waiter runs: notifying needs the lock, and the
        # lock a turn of the loop.
        self._notifying = asyncio.ensure_future(self._notify())

    async def _notify(self) -> None:
        async with self._condition:
            self._condition.notify_all()


class ReplayContext(CallContext):
    """Hands a tool the side effects its call recorded."""

    def __init__(
        self,
        caller: Caller,
        call_id: str,
        journal: "Journal[Any]",
        recorded: list[SideEffectRecorded],
    ) -> None:
        super().__init__(caller, call_id, journal)
        self._left = recorded

    async def side_effect(self, name: str, fn: Callable[[], Awaitable[Any]]) -> Any:
        return await self._recorded(name, None)

    async def _recorded(self, name: str, value: Any) -> Any:
        if not self._left or self._left[0].name != name:
            raise RuntimeError(f"the recording has no side effect {name!r} here")
        return self._left.pop(0).value
