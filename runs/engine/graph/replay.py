"""Replay of a run of several nodes: the same loop, step by step against the recording."""

import asyncio
from dataclasses import replace

from runs.engine.graph.loop import GraphLoop
from runs.engine.graph.replay_journal import GraphReplayJournal, Seam
from runs.engine.graph.replay_world import ReplayWorld
from runs.engine.graph.state import GraphState
from runs.engine.replay_journal import (
    Diverged,
    Divergence,
    RecordingEnds,
    ReplayRefused,
    ReplayReport,
)
from runs.engine.start import build_graph_started
from runs.errors import ModelNotFound
from runs.event_types import RunStarted
from runs.graphs.configs import Budget
from runs.graphs.documents import Graph
from runs.log.events import StoredEvent
from runs.models import Run


async def replay_graph(
    run: Run, graph: Graph, events: list[StoredEvent], started: RunStarted, *, force: bool
) -> ReplayReport:
    """Raises `ReplayRefused` when another model is configured than recorded, unless forced."""
    first = _first_event(run, graph, started, force=force)
    journal = GraphReplayJournal(run.id, events, GraphState(graph), forced=force)
    # Of the run's budgets the clock is the recording's.
    budget = Budget(**{**(run.budget or {}), "max_wall_clock_ms": 0})
    loop = GraphLoop(
        graph,
        journal,
        ReplayWorld(run, journal, budget),
        boundary=_Boundary(journal).take,
        budget=budget,
    )
    try:
        journal.record(first)
        await _drive(loop, journal)
        if journal.peek() is not None:
            raise Diverged(_missing(journal, "the run ends where the recording goes on"))
    except Diverged as diverged:
        journal.report.divergence = diverged.divergence
    except RecordingEnds:
        pass
    return journal.report


class _Boundary:
    """Between two steps: what came from outside is taken over."""

    def __init__(self, journal: GraphReplayJournal) -> None:
        self._journal = journal

    async def take(self) -> bool:
        self._journal.adopt_outside()
        state = self._journal.state
        return state.terminal is not None or state.is_paused


async def _drive(loop: GraphLoop, journal: GraphReplayJournal) -> None:
    """Run the loop, and run it again after each wait and each seam of the recording."""
    while journal.state.terminal is None:
        before = journal.place()
        is_done = await _run_once(loop, journal)
        journal.adopt_outside()
        if journal.state.terminal is not None or journal.place() > before:
            continue
        if journal.peek() is None:
            return
        reason = "the run waits" if is_done else "nothing in the run comes to it"
        raise Diverged(_missing(journal, f"{reason} where the recording goes on"))


async def _run_once(loop: GraphLoop, journal: GraphReplayJournal) -> bool:
    """False when it had to be cut off: nobody was able to go on."""
    work = asyncio.ensure_future(loop.run())
    try:
        await journal.watch(work)
        is_done = work.done()
    finally:
        work.cancel()
        [outcome] = await asyncio.gather(work, return_exceptions=True)
    if isinstance(outcome, BaseException) and not isinstance(
        outcome, Seam | asyncio.CancelledError
    ):
        raise outcome
    return is_done


def _missing(journal: GraphReplayJournal, reason: str) -> Divergence:
    event = journal.peek()
    assert event is not None
    return Divergence(event.seq, "kind", event.kind_name, "", reason, event.data, {})


def _first_event(run: Run, graph: Graph, started: RunStarted, *, force: bool) -> RunStarted:
    try:
        first = build_graph_started(run, graph)
    except ModelNotFound:
        raise ReplayRefused(
            f"no configured provider serves {started.provider_id}/{started.model_id}"
        ) from None
    now = (first.provider_id, first.model_id, first.api_version)
    then = (started.provider_id, started.model_id, started.api_version)
    if now != then and not force:
        raise ReplayRefused(f"recorded with {'/'.join(then)}, configured is {'/'.join(now)}")
    return replace(first, goal=started.goal)
