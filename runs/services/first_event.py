"""RunStarted for a run that no worker ever began: a cancelled queued run keeps its record."""

from runs.engine.start import build_agent, build_graph_started, build_run_started
from runs.errors import RunsError
from runs.event_types import RunStarted
from runs.graphs.registry import get_version
from runs.graphs.state_schema import GOAL
from runs.models import Run


def first_event_of(run: Run) -> RunStarted:
    """As the worker would have written it; without model and tools when those are gone."""
    try:
        graph = get_version(run.graph_id, run.version_hash)
        config = graph.lone_agent
        if config is None:
            return build_graph_started(run, graph)
        values = {**run.inputs, GOAL: run.goal}
        agent = build_agent(graph, config, values=values, model=run.model, budget=run.budget)
    except RunsError:
        return unstartable(run)
    return build_run_started(run, agent)


def unstartable(run: Run) -> RunStarted:
    """RunStarted of a run whose graph or model is gone: every log begins with one."""
    return RunStarted(
        schema_version=1,
        goal=run.goal,
        provider_id="",
        model_id=run.model,
        api_version="",
        tool_schemas=[],
        graph_id=run.graph_id,
        trigger_source=run.trigger_source,
    )
