"""Nodes that a model works for: `agent`, `llm` and the presets."""

from typing import TYPE_CHECKING, Any

from runs.engine.agent import AgentLoop
from runs.engine.graph.outcomes import Failed, Finished, Outcome, Stopped, WaitsForInput
from runs.engine.graph.scope import ScopedJournal
from runs.engine.opening import check_opening, history_of
from runs.engine.output import parse_answer
from runs.engine.start import build_agent
from runs.engine.state import AgentState
from runs.event_types import RunFailed, RunStarted
from runs.graphs.configs import AgentConfig
from runs.graphs.expressions import render
from runs.providers.base import Message

if TYPE_CHECKING:
    from runs.engine.graph.runner import NodeRunner
    from runs.engine.graph.task import Task


async def run_agent(runner: "NodeRunner", task: "Task", config: AgentConfig) -> Outcome:
    """Drive the agent loop from wherever the log says this node stands."""
    values = task.values()
    prompt = render(config.prompt, values)
    check_opening(config, values)
    agent = build_agent(task.frame.graph, config, values=values, model=runner.world.model)
    opening = [*history_of(config, values), Message("user", prompt)]
    state = _fold(runner, task, opening)
    runner.state.agents[task.path] = state
    journal = ScopedJournal(runner.journal, task.path, task.node.id, state)
    effects = runner.world.agent_effects(agent, journal, task)
    loop = AgentLoop(agent, journal, effects, shared=runner.world.shared_budget())
    await runner.world.drive_agent(loop, journal)
    if journal.asked is not None:
        return WaitsForInput(journal.asked)
    if state.terminal is None:
        return Stopped()
    if isinstance(state.terminal, RunFailed):
        return Failed(state.terminal.error, state.terminal.error_type)
    return Finished(_output(config, state.answer.text if state.answer else ""))


def _fold(runner: "NodeRunner", task: "Task", opening: list[Message]) -> AgentState:
    state = AgentState(lambda started: opening)
    state.apply(RunStarted(1, "", "", "", ""), runner.state.now.started[task.path])
    for payload, ts in runner.state.now.scopes[task.path]:
        state.apply(payload, ts)
    return state


def _output(config: AgentConfig, text: str) -> dict[str, Any]:
    if config.output_schema is None:
        return {config.out: text}
    answer = parse_answer(text)
    return answer if config.spread and isinstance(answer, dict) else {config.out: answer}
