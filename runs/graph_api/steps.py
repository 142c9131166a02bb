"""Steps of runs over `/v1`: the state after one, the difference to another run, and forks."""

from typing import Any, ClassVar

from django.http import HttpResponse

from accounts import capabilities
from accounts.rate_limits import charge_counterfactual
from runs.errors import InvalidInput, NoCheckpoint, ResourceNotFound, RunNotFound
from runs.graph_api import schema
from runs.graph_api.requests import (
    CounterfactualBody,
    DiffQuery,
    StateQuery,
    complaint,
    read_body,
    read_parameters,
)
from runs.graph_api.views import GraphView
from runs.models import Run
from runs.services.checkpoints import StepView, load_history
from runs.services.diff import RunDiff, StepDiff, diff_runs
from runs.services.forking import fork_run
from runs.surface import ApiRequest, json_response


@schema.describe_counterfactual
class CounterfactualView(GraphView):
    capabilities: ClassVar = {"POST": capabilities.COUNTERFACTUAL_RUN}

    def post(self, request: ApiRequest, run_id: str) -> HttpResponse:
        body, _ = read_body(request, CounterfactualBody)
        caller = request.principal
        charge_counterfactual(caller)
        parent = _find(request, run_id)
        try:
            fork = fork_run(
                parent,
                step=body.step,
                mutation=body.mutation.as_service(),
                caller=caller,
                reason=body.reason,
            )
        except InvalidInput as error:
            place = ("body", *error.field.split(".")) if error.field else ("body",)
            raise complaint("value_error", str(error), *place) from None
        return json_response(
            {
                "run_id": fork.run_id,
                "parent_run_id": run_id,
                "status": "pending",
                "graph_hash": fork.graph_hash,
            }
        )


@schema.describe_state
class StateView(GraphView):
    capabilities: ClassVar = {"GET": capabilities.RUNS_READ}

    def get(self, request: ApiRequest, run_id: str) -> HttpResponse:
        query = read_parameters(request, StateQuery)
        run = _find(request, run_id)
        try:
            view = load_history(run).at(query.step)
        except NoCheckpoint as error:
            raise ResourceNotFound(str(error)) from None
        return json_response({"run_id": run_id, **_step(view)})


@schema.describe_diff
class DiffView(GraphView):
    capabilities: ClassVar = {"GET": capabilities.RUNS_READ}

    def get(self, request: ApiRequest, run_id: str) -> HttpResponse:
        query = read_parameters(request, DiffQuery)
        run = _find(request, run_id)
        other = Run.objects.visible_to(request.principal).filter(pk=query.against).first()
        if other is None:
            raise ResourceNotFound(f"run '{query.against}' not found")
        return json_response(_diff(diff_runs(run, other)))


def _find(request: ApiRequest, run_id: str) -> Run:
    run: Run | None = Run.objects.visible_to(request.principal).filter(pk=run_id).first()
    if run is None:
        raise RunNotFound(f"there is no run {run_id}")
    return run


def _step(view: StepView) -> dict[str, Any]:
    taken = view.transition
    return {
        "step": view.step,
        "nodes": list(view.nodes),
        "state": view.state,
        "facts": list(view.facts),
        "transition": taken
        and {
            "from_node": taken.from_node,
            "to_node": taken.to_node,
            "targets": taken.targets or [],
            "rule_id": taken.rule_id,
            "reason": taken.reason,
        },
    }


def _diff(found: RunDiff) -> dict[str, Any]:
    first = found.first_divergence
    return {
        "run_id": found.run_id,
        "against": found.against,
        "same": found.is_same,
        "statuses": list(found.statuses),
        "first_divergence": first and _step_diff(first),
        "steps": [_step_diff(step) for step in found.steps],
    }


def _step_diff(step: StepDiff) -> dict[str, Any]:
    return {
        "step": step.step,
        "against_step": step.against_step,
        "nodes": list(step.nodes),
        "axis": step.axis,
        "patch": step.patch,
    }
