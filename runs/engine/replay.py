"""Replay: the recorded run executed again against its own log, compared event by event.

Model answers and recorded side effects come from the log, tools without side effects run for
real. What only the outside decided (a human's answer, a cancellation, a crash and its takeover, a
budget tripped by the clock) is taken from the recording as it stands.
"""

from dataclasses import replace

from project.lib.pool import in_database_thread
from runs.engine.agent import AgentLoop
from runs.engine.graph.replay import replay_graph
from runs.engine.replay_effects import Interrupted, ReplayEffects
from runs.engine.replay_journal import (
    Diverged,
    Divergence,
    RecordingEnds,
    ReplayJournal,
    ReplayRefused,
    ReplayReport,
)
from runs.engine.start import Agent, build_agent, build_run_started
from runs.engine.state import AgentState
from runs.errors import InvalidInput, ModelNotFound, RunNotFound
from runs.event_types import RunStarted
from runs.graphs.configs import AgentConfig
from runs.graphs.documents import Graph
from runs.graphs.registry import get_version
from runs.graphs.state_schema import GOAL
from runs.log.events import StoredEvent
from runs.log.read import walk_events
from runs.models import Run


async def replay_run(run: Run, events: list[StoredEvent], *, force: bool = False) -> ReplayReport:
    """Replay a stored run. Raises `ReplayRefused` for a changed identity, unless forced."""
    if not events:
        raise RunNotFound(f"run {run.id} has no events")
    if any(event.is_redacted for event in events):
        raise ReplayRefused("events of this run are redacted: what they said cannot be replayed")
    started = events[0].typed()
    if not isinstance(started, RunStarted):
        raise ReplayRefused("the log does not begin with RunStarted")
    graph = await in_database_thread(get_version, run.graph_id, run.version_hash)
    config = graph.lone_agent
    if config is None:
        return await replay_graph(run, graph, events, started, force=force)
    agent = _agent_of(run, graph, config, started, force=force)
    state = AgentState(agent.opening)
    journal = ReplayJournal(run.id, events, state, forced=force)
    try:
        journal.record(replace(build_run_started(run, agent), goal=started.goal))
        await _drive(_without_clock(agent), journal)
        _check_end(journal)
    except Diverged as diverged:
        journal.report.divergence = diverged.divergence
    except RecordingEnds:
        pass
    return journal.report


def load_recording(run_id: str) -> tuple[Run, list[StoredEvent]]:
    """What `replay_run` needs. Raises `RunNotFound`."""
    run = Run.objects.filter(pk=run_id).first()
    if run is None:
        raise RunNotFound(f"there is no run {run_id}")
    return run, list(walk_events(run_id))


async def _drive(agent: Agent, journal: ReplayJournal[AgentState]) -> None:
    """Run the loop, and run it again after each seam of the recording."""
    effects = ReplayEffects(agent, journal)
    loop = AgentLoop(agent, journal, effects)
    while journal.state.terminal is None:
        before = journal.report.compared
        try:
            await loop.run()
        except Interrupted:
            effects.adopt_seam()
            continue
        if journal.state.terminal is not None or effects.adopt_seam():
            continue
        if journal.peek() is None or journal.report.compared == before:
            return


def _check_end(journal: ReplayJournal[AgentState]) -> None:
    left = journal.peek()
    if left is not None:
        raise Diverged(
            Divergence(
                left.seq,
                "kind",
                left.kind_name,
                "",
                "the agent ends where the recording goes on",
                left.data,
                {},
            )
        )


def _without_clock(agent: Agent) -> Agent:
    """The same agent, whose wall-clock budget only the recording can trip."""
    return replace(agent, budget=agent.budget.model_copy(update={"max_wall_clock_ms": 0}))


def _agent_of(
    run: Run, graph: Graph, config: AgentConfig, started: RunStarted, *, force: bool
) -> Agent:
    """The agent as configured now. Raises `ReplayRefused` when it is not the recorded one."""
    values = {**(started.inputs or {}), GOAL: started.goal}
    try:
        agent = build_agent(graph, config, values=values, model=run.model, budget=run.budget)
    except ModelNotFound:
        raise ReplayRefused(
            f"no configured provider serves {started.provider_id}/{started.model_id}"
        ) from None
    except InvalidInput as error:
        raise ReplayRefused(str(error)) from None
    now = (agent.client.provider_id, agent.client.model_id, agent.client.api_version)
    then = (started.provider_id, started.model_id, started.api_version)
    if now != then and not force:
        raise ReplayRefused(f"recorded with {'/'.join(then)}, configured is {'/'.join(now)}")
    return agent
