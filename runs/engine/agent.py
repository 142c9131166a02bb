"""The agent loop: model, tools, model, … until an answer, a limit or a wait.

Every step is decided from the folded state alone, so a run continues after a crash, and replays,
through the same code that ran it. Intent is durable before its effect, and an outcome before
anything that depends on it; adjacent outcome and intent share a commit.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from project.lib.clock import now_ns
from runs import metrics
from runs.engine.budget import Spent, Trip, check_before_call, check_usage
from runs.engine.compaction import compact
from runs.engine.journal import Journal
from runs.engine.model_call import Answer, BudgetTripped
from runs.engine.output import answer_complaint, complaint_to_model
from runs.engine.spending import LimitReached
from runs.engine.start import Agent
from runs.engine.state import AgentState
from runs.engine.tool_calls import Waiting, run_calls, schedule
from runs.errors import SpendingLimitReached
from runs.event_types import (
    AssistantMessageCompleted,
    BudgetExceeded,
    InputRequested,
    Payload,
    ReasoningEmitted,
    ToolCallCompleted,
    TurnStarted,
    UserMessageAppended,
)
from runs.graphs.configs import Budget
from runs.log.codec import json_to_value
from runs.providers.base import ModelRequest, ProviderError, ToolUse, Usage

# The daemon contract's texts; clients match on them.
BUDGET_ERROR = "step: budget exceeded"
MAX_TURNS_ERROR = "starling: max turns exceeded"


class Effects(Protocol):
    """The outside of the loop: real models and tools, or a recording of them."""

    async def call_model(
        self,
        turn_id: str,
        request: ModelRequest,
        on_text: Callable[[str, int], None],
        check: Callable[[Usage], Trip | None],
    ) -> Answer: ...

    async def call_tool(self, use: ToolUse, attempt: int) -> Payload | Waiting: ...

    async def spending(self) -> LimitReached | None:
        """Whether a limit of whoever pays for the run forbids another model call."""
        ...

    async def boundary(self) -> bool:
        """Between steps: take in mail; true when the loop must stop here (paused, draining)."""
        ...


#: A budget that others spend from, too, and what all of them have spent.
SharedBudget = tuple[Budget, Callable[[], Spent]]


class AgentLoop:
    """Drives one agent from wherever its state stands.

    Of a run that is one agent, or of one node among others; those may share a budget.
    """

    def __init__(
        self,
        agent: Agent,
        journal: Journal[AgentState],
        effects: Effects,
        *,
        shared: "SharedBudget | None" = None,
    ) -> None:
        self.agent = agent
        self.journal = journal
        self.effects = effects
        self._limits = [(agent.budget, self._spent), *([shared] if shared else [])]
        self._deadline: asyncio.Timeout | None = None

    async def run(self) -> None:
        """Return when the run has ended, waits, or must be given back."""
        budget_ms = self.agent.budget.max_wall_clock_ms
        if not budget_ms:
            await self._run()
            return
        scope = asyncio.timeout(max(0.0, (budget_ms - self._worked_ms()) / 1000))
        self._deadline = scope
        try:
            async with scope:
                await self._run()
        except TimeoutError:
            if not scope.expired() or self.journal.state.terminal is not None:
                raise
            self._deadline = None
            actual = max(self._worked_ms(), float(budget_ms))
            await self._fail_budget(Trip("wall_clock", float(budget_ms), actual))

    def _worked_ms(self) -> float:
        """Time since the first event, without the time that humans took."""
        state = self.journal.state
        return (now_ns() - state.started_ns - state.waited_ns) / 1e6

    async def _run(self) -> None:
        state = self.journal.state
        while state.terminal is None:
            if await self.effects.boundary():
                await self.journal.commit()
                return
            if state.plan:
                if not await self._run_tools():
                    return
            elif state.answer is not None:
                if not self._asks_again(state.answer.text):
                    await self._commit_end()
            elif (
                self._fails_by_tool()
                or self._fails_by_turns()
                or self._fails_by_budget()
                or await self._fails_by_spending()
            ):
                await self._commit_end()
            else:
                await self._take_turn()

    async def _commit_end(self) -> None:
        """Make the end durable. It is decided: a deadline that passes now must not cut it off."""
        if self._deadline is not None and not self._deadline.expired():
            self._deadline.reschedule(None)
        await self.journal.commit()

    # Model

    async def _take_turn(self) -> None:
        journal, state = self.journal, self.journal.state
        compact(journal, self.agent.frame)
        # A turn that a crash cut off is asked again under the id it had.
        turn_id = state.interrupted_turn or journal.new_id()
        estimate = self.agent.frame.estimate(state.units)
        journal.record(TurnStarted(turn_id, self.agent.frame.hash(state.encoded), estimate))
        await journal.commit()
        try:
            answer = await self.effects.call_model(
                turn_id,
                self._request(turn_id),
                lambda text, attempt: journal.delta(turn_id, text, attempt),
                self._check_usage,
            )
            uses = self._parse_calls(answer)
        except BudgetTripped as tripped:
            await self._fail_budget(
                tripped.trip, turn_id, tripped.partial_text, tripped.partial_tokens
            )
            return
        except ProviderError as error:
            await self._fail_provider(error)
            return
        # Uncommitted: the loop completes the run, or schedules its calls, in the same commit. A
        # pause comes between, so that a paused run has no call of which nobody knows if it began.
        self._record_answer(turn_id, answer, uses)

    def _request(self, turn_id: str) -> ModelRequest:
        frame = self.agent.frame
        return ModelRequest(
            model=frame.model,
            messages=tuple(self.journal.state.messages),
            system=frame.system,
            tools=frame.tools,
            params=frame.params,
            idempotency_key=turn_id,
        )

    def _spent(self) -> Spent:
        state = self.journal.state
        return Spent(state.input_tokens, state.output_tokens, state.cost_usd)

    def _check_usage(self, usage: Usage) -> Trip | None:
        for budget, spent in self._limits:
            cost = self.agent.client.cost_usd(usage) if budget.max_usd else None
            trip = check_usage(budget, spent(), usage, cost)
            if trip is not None:
                return trip
        return None

    def _parse_calls(self, answer: Answer) -> tuple[ToolUse, ...]:
        """Arguments as values; ids unique in the run, minted where the provider gave none."""
        if answer.uses is not None:
            return answer.uses
        known = self.journal.state.attempts
        uses = []
        for call in answer.calls:
            try:
                args = json_to_value(call.arguments)
            except ValueError:
                raise ProviderError(
                    "invalid_stream", f"arguments of {call.tool!r} are not JSON"
                ) from None
            call_id = call.call_id
            if not call_id or call_id in known or self.journal.knows_call(call_id):
                call_id = self.journal.new_id()
            uses.append(ToolUse(call_id, call.tool, args))
        return tuple(uses)

    def _record_answer(self, turn_id: str, answer: Answer, uses: tuple[ToolUse, ...]) -> None:
        journal, usage = self.journal, answer.usage
        for part in answer.reasoning:
            journal.record(
                ReasoningEmitted(turn_id, part.content, True, part.signature, part.redacted)
            )
        journal.record(
            AssistantMessageCompleted(
                turn_id=turn_id,
                text=answer.text,
                stop_reason=answer.stop_reason,
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                cost_usd=self.agent.client.cost_usd(usage) or 0.0,
                tool_uses=[
                    {"call_id": use.call_id, "tool": use.tool, "args": use.args} for use in uses
                ]
                or None,
                cache_read_tokens=usage.cache_read_tokens,
                cache_create_tokens=usage.cache_create_tokens,
                raw_response_hash=answer.raw_response_hash,
                provider_request_id=answer.provider_request_id,
            )
        )

    # Tools

    async def _run_tools(self) -> bool:
        """Give every planned call its outcome. False when the run now waits for a human."""
        journal, state = self.journal, self.journal.state
        unscheduled = tuple(
            use for use in state.missing_calls() if use.call_id not in state.attempts
        )
        if unscheduled:
            schedule(journal, state.plan_turn, unscheduled)
            await journal.commit()
        self._take_answers()
        missing = state.missing_calls()
        waiting = await run_calls(journal, missing, self._execute) if missing else []
        if not waiting:
            return True
        first = waiting[0]
        await journal.ask(
            InputRequested(first.request.prompt, first.use.call_id, first.request.schema)
        )
        return False

    def _take_answers(self) -> None:
        """A human's response is the result of the call that asked."""
        state = self.journal.state
        for use in state.missing_calls():
            if use.call_id in state.answers:
                attempt = state.attempts[use.call_id]
                response = state.answers[use.call_id]
                self.journal.record(
                    ToolCallCompleted(use.call_id, {"response": response}, 0, attempt)
                )

    def _execute(self, use: ToolUse) -> Awaitable[Payload | Waiting]:
        return self.effects.call_tool(use, self.journal.state.attempts[use.call_id])

    # Ends

    def _asks_again(self, text: str) -> bool:
        """End with this answer, unless it has to fit a schema, does not, and turns are left."""
        complaint = answer_complaint(self.agent.config.output_schema, text)
        if not complaint:
            self.journal.complete(text)
        elif self._is_out_of_turns():
            self.journal.fail(f"the answer does not fit the output schema: {complaint}", "output")
        else:
            self.journal.record(UserMessageAppended(complaint_to_model(complaint)))
            return True
        return False

    def _fails_by_tool(self) -> bool:
        failure = self.journal.state.first_failure()
        if self.agent.config.on_tool_error != "fail" or failure is None:
            return False
        use, failed = failure
        self.journal.fail(
            f'starling: tool "{use.tool}" (call {use.call_id}): {failed.error}', "tool"
        )
        return True

    def _is_out_of_turns(self) -> bool:
        limit, state = self.agent.config.max_turns, self.journal.state
        return bool(limit) and state.turns >= limit and not state.interrupted_turn

    def _fails_by_turns(self) -> bool:
        if not self._is_out_of_turns():
            return False
        self.journal.fail(MAX_TURNS_ERROR, "max_turns")
        return True

    def _fails_by_budget(self) -> bool:
        estimate = self.agent.frame.estimate(self.journal.state.units)
        trips = (check_before_call(limit, spent(), estimate) for limit, spent in self._limits)
        trip = next(filter(None, trips), None)
        if trip is None:
            return False
        metrics.budget_exceeded.labels(trip.limit).inc()
        self.journal.record(BudgetExceeded(trip.limit, trip.cap, trip.actual, "pre_call"))
        self.journal.fail(BUDGET_ERROR, "budget")
        return True

    async def _fails_by_spending(self) -> bool:
        reached = await self.effects.spending()
        if reached is None:
            return False
        metrics.budget_exceeded.labels("spending").inc()
        self.journal.record(BudgetExceeded("spending", reached.cap, reached.spent, "pre_call"))
        self.journal.fail(str(SpendingLimitReached(reached.text)), "budget")
        return True

    async def _fail_budget(
        self, trip: Trip, turn_id: str = "", partial_text: str = "", partial_tokens: int = 0
    ) -> None:
        metrics.budget_exceeded.labels(trip.limit).inc()
        self.journal.record(
            BudgetExceeded(
                trip.limit,
                trip.cap,
                trip.actual,
                "mid_stream",
                turn_id,
                partial_text=partial_text,
                partial_tokens=partial_tokens,
            )
        )
        self.journal.fail(BUDGET_ERROR, "budget")
        await self._commit_end()

    async def _fail_provider(self, error: ProviderError) -> None:
        if error.kind == "invalid_stream":
            self.journal.fail(f"starling: invalid stream: {error}", "internal")
        else:
            status = f" (status {error.status})" if error.status else ""
            provider = self.agent.client.provider_id
            self.journal.fail(f'starling: provider "{provider}"{status}: {error}', "provider")
        await self._commit_end()
