"""A graph as a node of another: its own state and steps, in the log of the outer run."""

import asyncio
from typing import TYPE_CHECKING

from runs.engine.graph.outcomes import Failed, Finished, Outcome, WaitsUntil
from runs.engine.graph.state import inner_path, subgraph_path
from runs.engine.graph.steps import StepRunner, Taken, route_of
from runs.engine.graph.task import Frame
from runs.errors import GraphNotFound
from runs.graphs.configs import SubgraphConfig
from runs.graphs.expressions import ExpressionInvalid
from runs.graphs.routing import first_route
from runs.graphs.rules import change_facts
from runs.graphs.state_schema import Unfit

if TYPE_CHECKING:
    from runs.engine.graph.runner import NodeRunner
    from runs.engine.graph.task import Task

MAX_DEPTH = 8


async def run(runner: "NodeRunner", task: "Task", config: SubgraphConfig) -> Outcome:
    """Go through the inner graph; steps that the log has are gone through again at no cost."""
    depth = task.frame.depth + 1
    if depth > MAX_DEPTH:
        return Failed(f"subgraphs are nested deeper than {MAX_DEPTH}", "node")
    version = runner.state.versions.get(config.graph)
    if version is None:  # there was none when the node started; one of today would be no pin
        raise GraphNotFound(f"there is no graph {config.graph!r}")
    graph = await runner.world.find_graph(config.graph, version)
    values = task.values()
    missing = [outer for outer in config.inputs.values() if outer not in values]
    if missing:
        raise ExpressionInvalid(f"there is no state field {missing[0]!r}")
    try:
        state = graph.state.initial(
            {inner: values[outer] for inner, outer in config.inputs.items()}
        )
    except Unfit as error:
        return Failed(f"input {error.name} of {graph.id}: {error}", "state")
    prefix = subgraph_path(task.path, task.node.id)
    steps, facts, last_node = StepRunner(runner), list[dict[str, object]](), ""
    current = first_route(graph)
    recorded = runner.state.now.inner.get(prefix, [])
    for number in range(config.max_steps):
        path = inner_path(prefix, number)
        if number < len(recorded):
            transition = recorded[number]
            following = route_of(graph, transition)
        else:
            frame = Frame(graph, state, facts, prefix, depth, task.frame.forbids_effects)
            taken = await steps.take(frame, current, step=task.step, path=path, last_node=last_node)
            if not isinstance(taken, Taken):
                return taken
            following = taken.route
            await runner.journal.turn(prefix)
            runner.journal.record(taken.transition)
            transition = runner.state.now.inner[prefix][number]  # as it was recorded
            await runner.journal.commit_soon()
            await asyncio.sleep(0)
        finished = runner.state.now.finished.get(path)
        changes = transition.merged
        if changes is None:
            changes = finished.output if finished is not None else {}
        state = {**state, **changes}
        facts = change_facts(
            facts, asserted=transition.asserted or (), retracted=transition.retracted or ()
        )
        current, last_node = following, transition.from_node
        if current.is_end:
            return Finished({outer: state.get(inner) for outer, inner in config.outputs.items()})
        if transition.not_before_ns > runner.journal.now_ns():
            return WaitsUntil(transition.not_before_ns)
    return Failed(f"{graph.id} did not end within {config.max_steps} steps", "max_steps")
