"""The run that a trigger asks for: inputs in, a `StartRequest` out."""

from typing import Any

from runs.errors import InvalidInput
from runs.graphs.documents import Graph
from runs.graphs.state_schema import GOAL
from runs.services.starting import StartRequest

#: Metadata of a run that a trigger started.
TRIGGER_ID = "trigger_id"


def run_request(
    *, trigger_id: str, kind: str, graph_id: str, inputs: dict[str, Any]
) -> StartRequest:
    """Raises `InvalidInput` for inputs that no run can have."""
    goal = inputs.get("goal", "")
    if isinstance(goal, (int, float)) and not isinstance(goal, bool):
        goal = str(goal)  # a template for an issue's number, say
    if not isinstance(goal, str):
        raise InvalidInput("goal must be text", field="goal")
    return StartRequest(
        goal,
        graph_id,
        inputs={name: value for name, value in inputs.items() if name != "goal"},
        trigger_source=kind,
        metadata={TRIGGER_ID: trigger_id},
    )


def declared_fields(graph: Graph) -> frozenset[str] | None:
    """The input fields that a graph declares; `None` when it takes whatever comes."""
    if graph.state.fields:
        return frozenset({*graph.state.fields, GOAL})
    return frozenset({GOAL}) if graph.lone_agent is not None else None
