"""The loop of a graph run: step after step until an end, a wait or a limit.

Each step is decided from the folded state, so that a worker which takes over goes on where the
log ends. A step's outcome is on its way to the disk before the next step begins, and durable
before anything outside is touched: who has an effect commits first.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from django.conf import settings

from runs import metrics
from runs.engine.agent import BUDGET_ERROR
from runs.engine.fork_effects import retracted
from runs.engine.graph.outcomes import Failed, Stopped, WaitsForInput, WaitsUntil
from runs.engine.graph.runner import NodeRunner
from runs.engine.graph.state import GraphState, top_path
from runs.engine.graph.steps import StepRunner, Taken, route_of, transition_of
from runs.engine.graph.task import Frame, World
from runs.engine.journal import ConcurrentJournal
from runs.event_types import BudgetExceeded, RunSuspended, StepCompleted
from runs.graphs.configs import Budget
from runs.graphs.documents import Graph
from runs.graphs.expressions import ExpressionInvalid
from runs.graphs.routing import (
    Failure,
    Route,
    first_route,
    route,
    route_after_parallel,
    route_failure,
)
from runs.graphs.rules import Parallel, matches

#: A wait shorter than this is waited out; letting the run go and claiming it takes as long.
SHORT_WAIT_NS = 30_000_000

#: A graph of pure steps keeps the event loop to itself for so long: some three steps. A turn of
#: the loop after each of them would cost a run that is alone up to a third of its speed.
SLICE_NS = 300_000


class GraphLoop:
    """Drives one graph run from wherever its state stands."""

    def __init__(
        self,
        graph: Graph,
        journal: ConcurrentJournal[GraphState],
        world: World,
        *,
        boundary: Callable[[], Awaitable[bool]],
        budget: Budget,
    ) -> None:
        self.graph = graph
        self.journal = journal
        self._steps = StepRunner(NodeRunner(journal, world))
        self._boundary = boundary
        self._budget_ms = budget.max_wall_clock_ms
        self._yielded_ns = 0
        self._max_steps = graph.max_steps or settings.STARPORT_MAX_STEPS

    async def run(self) -> None:
        """Return when the run has ended, waits, or must be given back."""
        if not self._budget_ms:
            await self._run()
            return
        state = self.journal.state
        worked_ms = state.worked_ns(self.journal.now_ns()) / 1e6
        scope = asyncio.timeout(max(0.0, (self._budget_ms - worked_ms) / 1000))
        try:
            async with scope:
                await self._run()
        except TimeoutError:
            if not scope.expired() or state.terminal is not None:
                raise
            metrics.budget_exceeded.labels("wall_clock").inc()
            spent = max(state.worked_ns(self.journal.now_ns()) / 1e6, self._budget_ms)
            self.journal.record(
                BudgetExceeded("wall_clock", float(self._budget_ms), spent, "mid_stream")
            )
            self.journal.fail(BUDGET_ERROR, "budget")
            await self.journal.commit()

    async def _run(self) -> None:
        state = self.journal.state
        while state.terminal is None:
            if await self._boundary():
                await self.journal.commit()
                return
            current = self._current()
            if isinstance(current, Failed):
                self.journal.fail(current.error, current.error_type)
            elif current.is_end:
                self.journal.complete(self._final_text())
            elif state.step >= self._max_steps:
                self.journal.fail(f"no end within {self._max_steps} steps", "max_steps")
            elif not await self._take(current):
                return
        await self.journal.commit()

    async def _take(self, current: Route) -> bool:
        """Take one step. False when the run has to wait, or to be given back."""
        state = self.journal.state
        not_before = state.transition.not_before_ns if state.transition else 0
        if not_before > self.journal.now_ns():
            return await self._wait_until(not_before)
        taken = await self._steps.take(
            self._frame(),
            current,
            step=state.step,
            path=top_path(state.step),
            last_node=state.transition.from_node if state.transition else "",
        )
        match taken:
            case Taken():
                self.journal.record(taken.transition)
                await self.journal.commit_soon()
                await self._let_others_work()
            case Failed():
                self.journal.fail(taken.error, taken.error_type)
            case WaitsUntil():
                return await self._wait_until(taken.until_ns)
            case WaitsForInput():
                await self.journal.ask(taken.request)
                return False
            case Stopped():
                await self.journal.commit()
                return False
        return True

    async def _let_others_work(self) -> None:
        if time.monotonic_ns() - self._yielded_ns > SLICE_NS:
            await asyncio.sleep(0)
            self._yielded_ns = time.monotonic_ns()

    async def _wait_until(self, until_ns: int) -> bool:
        left = until_ns - self.journal.now_ns()
        if left > SHORT_WAIT_NS:
            self.journal.record(RunSuspended(until_ns))
            await self.journal.commit()
            return False
        await self.journal.sleep(left / 1e9)
        return True

    def _frame(self) -> Frame:
        state = self.journal.state
        return Frame(self.graph, state.state, state.facts)

    def _current(self) -> Route | Failed:
        """What comes next, as recorded; a fork decides the transition of its first step anew."""
        state = self.journal.state
        if state.must_route:
            failed = self._route_fork()
            if failed is not None:
                return failed
        if state.transition is None:
            return first_route(self.graph)
        return route_of(self.graph, state.transition)

    def _route_fork(self) -> Failed | None:
        state, fork = self.journal.state, self.journal.state.forked
        if fork is None:
            return None
        try:
            if fork.transition is not None:
                following = route_of(self.graph, StepCompleted.from_map(fork.transition))
            elif fork.failure is not None:
                failure = Failure(**fork.failure)
                found = route_failure(self.graph, fork.node_id, state.state, state.facts, failure)
                if found is None:
                    return Failed(failure.error, failure.error_type)
                following = found
            elif fork.targets:
                block = Parallel(kind="parallel", targets=tuple(fork.targets), join=fork.join)
                following = route_after_parallel(self.graph, block)
            else:
                following = route(self.graph, fork.node_id, state.state, state.facts)
        except ExpressionInvalid as error:
            return Failed(f"a rule after {fork.node_id} cannot be evaluated: {error}", "rule")
        # What the mutation retracts does not come back by the rules of this step.
        patterns = retracted(fork)
        asserted = tuple(
            fact
            for fact in following.asserted
            if not any(matches(fact, pattern) for pattern in patterns)
        )
        following = replace(following, asserted=asserted)
        now = self.journal.now_ns()
        self.journal.record(transition_of(fork.step, fork.node_id, following, now, merged={}))
        return None

    def _final_text(self) -> str:
        """What lists show of the outcome: the answer, else the newest text a node put out."""
        state = self.journal.state
        answer = state.state.get("answer")
        if isinstance(answer, str):
            return answer
        texts = [value for value in state.last_output.values() if isinstance(value, str)]
        return texts[-1] if texts else ""
