"""The branches of one parallel step, side by side, until it is decided or everybody waits."""

import asyncio
from dataclasses import replace

from runs.engine.graph.outcomes import (
    Failed,
    Finished,
    Outcome,
    Stopped,
    WaitsForInput,
    WaitsUntil,
)
from runs.engine.graph.runner import NodeRunner
from runs.engine.graph.state import branch_path
from runs.engine.graph.task import Frame, Task
from runs.event_types import BranchFinished, BranchStarted, ToolCallFailed
from runs.graphs.rules import Parallel

BRANCH_CANCELLED = "the branch was cancelled"


class Branches:
    """The branches of one parallel step, side by side."""

    def __init__(
        self, runner: NodeRunner, frame: Frame, block: Parallel, step: int, path: str
    ) -> None:
        self._runner = runner
        forbids_effects = frame.forbids_effects or block.forbids_effects
        self._frame = replace(frame, forbids_effects=forbids_effects)
        self._block = block
        self._step = step
        self._path = path
        self._paths = [branch_path(path, index) for index in range(len(block.targets))]
        self._outcomes: list[Outcome | None] = [None] * len(block.targets)
        strategy, _, quorum = block.strategy.partition(":")
        needed = {"all": len(block.targets), "quorum": int(quorum or 0)}
        self._needed = needed.get(strategy, 1)
        self._is_all = strategy == "all"

    async def execute(self) -> list[Outcome | None]:
        """Until it is decided, or everybody waits. Outcomes of those who count, else `None`."""
        state, journal = self._runner.state, self._runner.journal
        if self._paths[-1] not in state.now.branches_started:
            await journal.turn(self._path)
        for index, target in enumerate(self._block.targets):
            if self._paths[index] not in state.now.branches_started:
                journal.record(
                    BranchStarted(
                        self._step,
                        self._paths[index],
                        f"branch-{index}",
                        target,
                        self._block.strategy,
                    )
                )
        tasks = {
            asyncio.ensure_future(self._branch(index)): index
            for index in range(len(self._paths))
            if state.now.branches.get(self._paths[index]) != "cancelled"
        }
        pending = set(tasks)
        try:
            while pending and not self._is_decided():
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                if any(self._is_news(tasks[task], task.result()) for task in done):
                    await journal.turn(self._path)
                    late = {task for task in pending if task.done()}
                    done, pending = done | late, pending - late
                for task in sorted(done, key=lambda one: tasks[one]):
                    self._take(tasks[task], task.result())
                if pending and not self._is_decided():
                    await journal.commit()  # the others may take their time
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self._is_decided():
            if any(not isinstance(one, Finished | Failed) for one in self._outcomes):
                await journal.turn(self._path)
            self._cancel_losers()
        return self._outcomes

    async def _branch(self, index: int) -> Outcome:
        node = self._frame.graph.nodes[self._block.targets[index]]
        return await self._runner.run(Task(node, self._paths[index], self._step, self._frame))

    def _is_news(self, index: int, outcome: Outcome) -> bool:
        """Whether it ends its branch, and the log does not say so yet."""
        is_end = isinstance(outcome, Finished | Failed)
        return is_end and self._paths[index] not in self._runner.state.now.branches

    def _take(self, index: int, outcome: Outcome) -> None:
        if isinstance(outcome, Finished) and self._successes() >= self._needed:
            return  # it came after the decision: no loser's output counts
        self._outcomes[index] = outcome
        if isinstance(outcome, Finished):
            self._finish(index, "completed")
        elif isinstance(outcome, Failed):
            self._finish(index, "failed")

    def _finish(self, index: int, outcome: str) -> None:
        path = self._paths[index]
        if path not in self._runner.state.now.branches:
            self._runner.journal.record(
                BranchFinished(self._step, path, f"branch-{index}", outcome)
            )

    def _successes(self) -> int:
        return sum(isinstance(outcome, Finished) for outcome in self._outcomes)

    def _is_decided(self) -> bool:
        """Enough have succeeded, or too few still can."""
        return self._successes() >= self._needed or self.failure() is not None

    def failure(self) -> tuple[str, Failed] | None:
        """The failure that decides, with the node it happened in."""
        failures = [
            (self._block.targets[index], outcome)
            for index, outcome in enumerate(self._outcomes)
            if isinstance(outcome, Failed)
        ]
        if len(self._outcomes) - len(failures) >= self._needed:
            return None
        final = [item for item in failures if item[1].is_final]
        return (final or failures)[0]

    def waiting(self) -> WaitsForInput | WaitsUntil | Stopped | None:
        """What the step waits for once nobody can go on: timers first, then the first question."""
        if self._is_decided():
            return None
        timers = [item for item in self._outcomes if isinstance(item, WaitsUntil)]
        if any(isinstance(item, Stopped) for item in self._outcomes):
            return Stopped()
        if timers:
            return min(timers, key=lambda item: item.until_ns)
        return next(item for item in self._outcomes if isinstance(item, WaitsForInput))

    def _cancel_losers(self) -> None:
        """Whoever has not ended by now never will; its open calls get their outcome here."""
        for index, path in enumerate(self._paths):
            if isinstance(self._outcomes[index], Finished | Failed):
                continue
            self._outcomes[index] = None
            for where, call in self._runner.state.open_calls():
                if where == path or where.startswith(f"{path}:"):
                    self._runner.journal.record(
                        ToolCallFailed(
                            call.call_id, BRANCH_CANCELLED, "cancelled", 0, call.attempt, True
                        )
                    )
            self._finish(index, "cancelled")
