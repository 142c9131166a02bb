"""The journal of one agent among the nodes of a graph.

It writes into the run's log like any journal, marks what is its own by its path, and keeps ends
and waits to itself: an agent's end is its node's outcome, and only the loop knows whether the whole
run has to wait.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from runs.engine.state import AgentState
from runs.event_types import (
    BudgetExceeded,
    ContextTruncated,
    InputRequested,
    Payload,
    RunCompleted,
    RunFailed,
    TurnStarted,
    UserMessageAppended,
)

if TYPE_CHECKING:
    from runs.engine.graph.state import GraphState
    from runs.engine.journal import Journal

_MARKED = (TurnStarted, UserMessageAppended, ContextTruncated, BudgetExceeded)


class ScopedJournal:
    """`Journal` for the agent loop of one node. Its state is registered with the graph's."""

    def __init__(
        self, journal: "Journal[GraphState]", path: str, node_id: str, state: AgentState
    ) -> None:
        self.state = state
        self.path = path
        self.asked: InputRequested | None = None
        self._node_id = node_id
        self._journal = journal

    def record(self, payload: Payload) -> None:
        if isinstance(payload, _MARKED):
            payload = replace(payload, path=self.path)
        self._journal.record(payload)

    def complete(self, final_text: str) -> None:
        self.state.terminal = RunCompleted(final_text, 0, 0, 0.0, 0, 0, 0, b"")

    def fail(self, error: str, error_type: str) -> None:
        self.state.terminal = RunFailed(error, error_type, b"", 0)

    async def ask(self, request: InputRequested) -> None:
        self.asked = replace(request, path=self.path, node_id=self._node_id)

    async def commit(self) -> None:
        await self._journal.commit()

    def knows_call(self, call_id: str) -> bool:
        return self._journal.state.knows_call(call_id)

    def elapsed_ms(self, since_ns: int) -> int:
        return self._journal.elapsed_ms(since_ns)

    def new_id(self) -> str:
        return self._journal.new_id()

    def delta(self, turn_id: str, text: str, attempt: int) -> None:
        self._journal.delta(turn_id, text, attempt)
