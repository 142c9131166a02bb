"""Views of `/v1`. Each one reads the request, calls one service, and shows the result."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse

from accounts import capabilities
from accounts.principals import Principal
from project.lib.clock import now_ns
from runs.errors import (
    GraphNotFound,
    IdempotencyConflict,
    InvalidRequest,
    ResourceNotFound,
    RunNotFound,
    WrongState,
)
from runs.graph_api import schema
from runs.graph_api.requests import (
    MISSING,
    ApprovalsQuery,
    ListQuery,
    RespondBody,
    ResumeBody,
    StartGraphRunBody,
    complaint,
    read_body,
    read_optional_body,
    read_query,
)
from runs.graph_api.summaries import approval_row, graph_row, run_summary, tool_row
from runs.graphs.documents import Graph
from runs.graphs.registry import all_graphs, get_graph
from runs.graphs.state_schema import GOAL
from runs.services.approvals import list_approvals
from runs.services.history import find_entry, list_history
from runs.services.lifecycle import cancel_run, pause_run, respond, resume_run
from runs.services.starting import Idempotency, StartRequest, start_run
from runs.surface import ApiRequest, SurfaceView, json_response
from runs.tools.registry import get_registry


class GraphView(SurfaceView):
    """A view of this dialect: its sentences for what is not there and what cannot be done now."""

    answers_head = False
    http_method_names = ["get", "post"]
    #: What a run in another state is told; `{state}` is that state.
    wrong_state: ClassVar[str] = ""

    def dispatch(  # type: ignore[override]  # see SurfaceView
        self, request: ApiRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        try:
            return super().dispatch(request, *args, **kwargs)
        except RunNotFound:
            raise RunNotFound(f"run '{kwargs['run_id']}' not found") from None
        except WrongState as error:
            message = self.wrong_state.format(state=error.state)
            raise type(error)(message, state=error.state) from None


@schema.describe_runs
class RunsView(GraphView):
    capabilities: ClassVar = {"GET": capabilities.RUNS_READ, "POST": capabilities.RUNS_START}

    def get(self, request: ApiRequest) -> HttpResponse:
        query = read_query(request, ListQuery)
        entries, total = list_history(
            request.principal, query.filter, limit=query.limit, offset=query.offset
        )
        return _page([run_summary(run) for run in entries], total, query)

    def post(self, request: ApiRequest) -> HttpResponse:
        body, sent = read_body(request, StartGraphRunBody)
        caller = request.principal
        wanted = _run_wanted(body)
        key = _idempotency_key(request, body)
        try:
            started = start_run(
                wanted,
                actor=caller.actor,
                user_id=caller.user_id,
                granted=caller.capabilities,
                api_key_id=caller.api_key_id,
                idempotency=_idempotency(caller, wanted.graph_id, key, sent) if key else None,
            )
        except IdempotencyConflict:
            raise IdempotencyConflict(
                "idempotency_key already used with a different request"
            ) from None
        headers = {"Location": reverse("v1-run", args=[started.run_id])}
        if started.is_replay:
            headers["Idempotency-Replayed"] = "true"
        answer = {"run_id": started.run_id, "status": "pending"}
        return json_response(answer, status=202, headers=headers)


def _page(
    items: list[dict[str, Any]], total: int, query: ListQuery | ApprovalsQuery
) -> HttpResponse:
    place = {"total": total, "limit": query.limit, "offset": query.offset, "cursor": None}
    return json_response({"items": items, **place})


def _run_wanted(body: StartGraphRunBody) -> StartRequest:
    """The run asked for. Raises `GraphNotFound`, and `InvalidRequest` for unfit inputs."""
    if body.inputs is not None and body.params is not None and body.inputs != body.params:
        raise complaint("value_error", "inputs and params differ; send one of them", "body")
    try:
        graph = get_graph(body.graph_id)
    except GraphNotFound:
        raise GraphNotFound(f"graph '{body.graph_id}' not found") from None
    inputs = body.inputs if body.inputs is not None else body.params or {}
    _check_inputs(graph, inputs)
    others = {name: value for name, value in inputs.items() if name != GOAL}
    goal = inputs.get(GOAL, "")
    return StartRequest(goal, graph.id, inputs=others, trigger_source=body.trigger_source)


def _check_inputs(graph: Graph, inputs: dict[str, Any]) -> None:
    """Raises `InvalidRequest` with a complaint for every field that does not fit the graph."""
    place = ["body", "inputs"]
    items = [
        {
            "type": unfit.kind,
            "loc": [*place, unfit.name],
            "msg": str(unfit),
            "input": inputs.get(unfit.name, inputs),
        }
        for unfit in graph.state.complaints(inputs)
    ]
    if items:
        raise InvalidRequest(items)
    goal = inputs.get(GOAL)
    if goal is None and graph.lone_agent is not None:
        raise complaint("missing", MISSING["msg"], *place, GOAL, sent=inputs)
    if (goal is not None and "\x00" in goal) or (not (goal or "").strip() and graph.lone_agent):
        raise complaint(
            "value_error", "must not be blank or contain NUL characters", *place, GOAL, sent=goal
        )


def _idempotency_key(request: ApiRequest, body: StartGraphRunBody) -> str | None:
    """From the body or the header; both may say the same."""
    header = request.headers.get("Idempotency-Key")
    if header is None:
        return body.idempotency_key
    if not 1 <= len(header) <= 255 or not header.isprintable():
        raise complaint(
            "value_error", "must be 1 to 255 printable characters", "header", "idempotency-key"
        )
    if body.idempotency_key not in (None, header):
        raise complaint(
            "value_error", "differs from the Idempotency-Key header", "body", "idempotency_key"
        )
    return header


def _idempotency(caller: Principal, graph_id: str, key: str, sent: dict[str, Any]) -> Idempotency:
    """In the scope of caller and graph; the key itself is no part of what has to be equal."""
    asked = {name: value for name, value in sent.items() if name != "idempotency_key"}
    return Idempotency(f"{caller.actor} /v1/runs {graph_id}", key, asked)


@schema.describe_run
class RunView(GraphView):
    capabilities: ClassVar = {"GET": capabilities.RUNS_READ}

    def get(self, request: ApiRequest, run_id: str) -> HttpResponse:
        return json_response(run_summary(find_entry(request.principal, run_id)))


@schema.describe_cancel
class CancelView(GraphView):
    capabilities: ClassVar = {"POST": capabilities.RUNS_CANCEL}
    wrong_state = (
        "cannot cancel from state '{state}'; valid states are 'running', 'paused', 'awaiting-input'"
    )

    def post(self, request: ApiRequest, run_id: str) -> HttpResponse:
        find_entry(request.principal, run_id)
        cancel_run(run_id=run_id, actor=request.principal.actor)
        return _as_it_is_now(request, run_id)


@schema.describe_pause
class PauseView(GraphView):
    capabilities: ClassVar = {"POST": capabilities.RUNS_PAUSE}
    wrong_state = "cannot pause from state '{state}'; valid state is 'running'"

    def post(self, request: ApiRequest, run_id: str) -> HttpResponse:
        find_entry(request.principal, run_id)
        pause_run(run_id=run_id, actor=request.principal.actor)
        return _as_it_is_now(request, run_id)


@schema.describe_resume
class ResumeView(GraphView):
    capabilities: ClassVar = {"POST": capabilities.RUNS_RESUME}
    wrong_state = "cannot resume from state '{state}'; valid state is 'paused'"

    def post(self, request: ApiRequest, run_id: str) -> HttpResponse:
        body = read_optional_body(request, ResumeBody)
        find_entry(request.principal, run_id)
        resume_run(run_id=run_id, actor=request.principal.actor, from_step=body.from_step)
        return json_response({"run_id": run_id, "status": "pending"}, status=202)


@schema.describe_respond
class RespondView(GraphView):
    capabilities: ClassVar = {"POST": capabilities.RUNS_RESPOND}
    wrong_state = "respond invalid in state '{state}'; valid state is 'awaiting-input'"

    def post(self, request: ApiRequest, run_id: str) -> HttpResponse:
        body, _ = read_body(request, RespondBody)
        caller = request.principal
        find_entry(caller, run_id)
        claimed = body.actor or ""
        respond(run_id=run_id, response=body.response, caller=caller, actor_claimed=claimed)
        return _as_it_is_now(request, run_id)


def _as_it_is_now(request: ApiRequest, run_id: str) -> HttpResponse:
    return json_response(run_summary(find_entry(request.principal, run_id)))


@schema.describe_approvals
class ApprovalsView(GraphView):
    capabilities: ClassVar = {"GET": capabilities.RUNS_READ}

    def get(self, request: ApiRequest) -> HttpResponse:
        query = read_query(request, ApprovalsQuery)
        caller = request.principal
        approvals, total = list_approvals(
            caller, query.filter, limit=query.limit, offset=query.offset
        )
        now = now_ns()
        return _page([approval_row(approval, caller, now) for approval in approvals], total, query)


@schema.describe_graphs
class GraphsView(GraphView):
    capabilities: ClassVar = {"GET": capabilities.RUNS_READ}

    def get(self, request: ApiRequest) -> HttpResponse:
        return json_response([graph_row(graph) for graph in all_graphs()])


def _tools() -> Sequence[dict[str, Any]]:
    return [tool_row(tool) for tool in get_registry().all()]


def _none_yet() -> Sequence[dict[str, Any]]:
    return []


#: What can be looked up by kind. Nothing offers skills or stores so far.
REGISTRIES: dict[str, Callable[[], Sequence[dict[str, Any]]]] = {
    "tools": _tools,
    "skills": _none_yet,
    "stores": _none_yet,
}


@schema.describe_registry
class RegistryView(GraphView):
    capabilities: ClassVar = {"GET": capabilities.RUNS_READ}

    def get(self, request: ApiRequest, kind: str) -> HttpResponse:
        entries = REGISTRIES.get(kind)
        if entries is None:
            raise ResourceNotFound(f"unknown registry kind: '{kind}'")
        return json_response(entries())
