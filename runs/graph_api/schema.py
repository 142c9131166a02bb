"""What each operation of `/v1` takes and answers, for the OpenAPI document."""

from collections.abc import Callable
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
)
from drf_spectacular.utils import extend_schema_view as describe

from runs.graph_api import shapes
from runs.graph_api.requests import (
    KEY_MAX_CHARS,
    LIST_DEFAULT,
    LIST_MAX,
    STEP_MAX,
    CounterfactualBody,
    RespondBody,
    ResumeBody,
    StartGraphRunBody,
)

_REFUSALS = {
    401: "No credential, or a wrong one",
    403: "The caller lacks the capability",
    404: "It does not exist, or the caller may not see it",
    409: "The run is in a state that does not take this, or the idempotency key was used before",
    413: "The body is too large",
    429: "Too many requests, or wrong credentials; `Retry-After` says when to try again",
    503: "The queue is full or the server shuts down; `Retry-After` says when to try again",
}


def _refusals(*statuses: int) -> dict[int, Any]:
    refusals: dict[int, Any] = {
        status: OpenApiResponse(shapes.Refusal, _REFUSALS[status])
        for status in (*statuses, 401, 403, 429)
        if status != 422
    }
    if 422 in statuses:
        refusals[422] = OpenApiResponse(
            shapes.InvalidRequestBody, "Fields are missing or wrong; each is named"
        )
    return refusals


def _query(name: str, description: str, kind: Any = str) -> OpenApiParameter:
    return OpenApiParameter(name, kind, description=description)


def _header(name: str, description: str, **where: Any) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, description=description, **where)


IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": f"^[!-~]([ -~]{{0,{KEY_MAX_CHARS - 2}}}[!-~])?$"},
    OpenApiParameter.HEADER,
    description="The same key and body again get the first answer once more",
)


def example(name: str, body: dict[str, Any]) -> OpenApiExample:
    """What a request's body can look like."""
    return OpenApiExample(name, value=body, request_only=True)


def _operation(name: str, summary: str, **facts: Any) -> Callable[..., Any]:
    facts.setdefault("description", f"{summary}.")  # else it would be a docstring of ours
    return extend_schema(operation_id=name, summary=summary, tags=["Graphs"], **facts)


_PAGE = (
    _query(
        "limit",
        "",
        {"type": "integer", "minimum": 1, "maximum": LIST_MAX, "default": LIST_DEFAULT},
    ),
    _query("offset", "Runs to skip", {"type": "integer", "minimum": 0, "default": 0}),
)

describe_runs = describe(
    get=_operation(
        "listRunHistory",
        "List every run that was accepted, newest first",
        parameters=[
            _query("status", "A status; an unknown one matches no run"),
            _query("since", "Accepted then or later; no zone means UTC", OpenApiTypes.DATETIME),
            _query("until", "Accepted before", OpenApiTypes.DATETIME),
            _query("trigger_source", "`manual`, `cron` or `webhook`; another matches no run"),
            *_PAGE,
        ],
        responses={200: shapes.RunHistory, **_refusals(422)},
    ),
    post=_operation(
        "startGraphRun",
        "Start a run of a graph",
        request={"application/json": StartGraphRunBody},
        examples=[
            example("An agent", {"graph_id": "agent", "inputs": {"goal": "Say hello."}}),
            example(
                "A graph that waits for a human",
                {"graph_id": "approval", "inputs": {"draft": "We ship on Friday."}},
            ),
        ],
        parameters=[
            IDEMPOTENCY_KEY,
            _header("Location", "The run's address", response=[202]),
            _header("Idempotency-Replayed", "`true` on an answer given before", response=[202]),
        ],
        responses={202: shapes.PendingRun, **_refusals(404, 409, 413, 422, 503)},
    ),
)

describe_run = describe(
    get=_operation(
        "getRunSummary",
        "Read a run's summary",
        responses={200: shapes.RunSummary, **_refusals(404)},
    )
)

describe_cancel = describe(
    post=_operation(
        "cancelGraphRun",
        "Cancel a run that has not ended",
        request=None,
        responses={200: shapes.RunSummary, **_refusals(404, 409)},
    )
)

describe_pause = describe(
    post=_operation(
        "pauseRun",
        "Ask a running run to stop at its next step",
        request=None,
        responses={200: shapes.RunSummary, **_refusals(404, 409)},
    )
)

describe_resume = describe(
    post=_operation(
        "resumeRun",
        "Let a paused run go on",
        request={"application/json": ResumeBody},
        examples=[example("Where it stopped", {"from_step": None})],
        responses={202: shapes.PendingRun, **_refusals(404, 409, 413, 422)},
    )
)

describe_respond = describe(
    post=_operation(
        "respondToRun",
        "Answer a run that waits for a human",
        request={"application/json": RespondBody},
        examples=[example("A decision", {"response": {"decision": "approve", "comment": ""}})],
        responses={200: shapes.RunSummary, **_refusals(404, 409, 413, 422)},
    )
)

describe_run_artifacts = describe(
    get=_operation(
        "listRunArtifacts",
        "List what a run wrote or attached, in that order",
        responses={200: shapes.ArtifactList, **_refusals(404)},
    )
)

describe_artifact = describe(
    get=_operation(
        "getArtifact",
        "Read an artifact's bytes",
        description=(
            "Name and content type are those of the earliest mention that the caller may see."
        ),
        parameters=[
            _header("If-None-Match", "Entity tags; one that matches is answered 304"),
            _header("ETag", "The content hash in quotes", response=[200, 304]),
            _header(
                "Content-Disposition", "`inline` or `attachment`, with the name", response=[200]
            ),
        ],
        responses={
            (200, "application/octet-stream"): OpenApiTypes.BINARY,
            304: OpenApiResponse(description="The caller has these bytes already"),
            **_refusals(404),
        },
    )
)

describe_counterfactual = describe(
    post=_operation(
        "forkRun",
        "Start a run that goes on from a step of this one, changed",
        description=(
            "The parent is only read. Answers that humans gave it are reused, and no effect of a"
            " tool happens again. Limited to a few a minute."
        ),
        request={"application/json": CounterfactualBody},
        examples=[
            example(
                "Another answer of the human",
                {
                    "step": 1,
                    "mutation": {"respond_payloads": {"1": {"decision": "reject"}}},
                    "reason": "What if they had said no?",
                },
            )
        ],
        responses={200: shapes.ForkedRun, **_refusals(404, 409, 413, 422, 503)},
    )
)

describe_state = describe(
    get=_operation(
        "getRunState",
        "Read the state after a step",
        description="A graph's step is a tick of its nodes, an agent's one turn of the model.",
        parameters=[
            _query(
                "step",
                "The newest when left out",
                {"type": "integer", "minimum": 0, "maximum": STEP_MAX},
            )
        ],
        responses={200: shapes.StateAfterStep, **_refusals(404, 422)},
    )
)

describe_diff = describe(
    get=_operation(
        "diffRuns",
        "Compare a run with another one, step by step",
        description=(
            "Steps are aligned by the nodes that ran. Ids, times and durations are masked."
            " `patch` (RFC 6902) leads from the other run's state to this one's."
        ),
        parameters=[
            OpenApiParameter(
                "against",
                {"type": "string", "minLength": 1, "maxLength": 64},
                required=True,
                description="The other run",
            )
        ],
        responses={200: shapes.RunDifference, **_refusals(404, 422)},
    )
)

describe_approvals = describe(
    get=_operation(
        "listApprovals",
        "List the runs that wait for a human, the oldest question first",
        parameters=[
            _query("graph_id", "Runs of this graph"),
            _query("mine", "Only what the caller may answer", bool),
            *_PAGE,
        ],
        responses={200: shapes.ApprovalList, **_refusals(422)},
    )
)

describe_graphs = describe(
    get=_operation(
        "listGraphs",
        "List the graphs that can be started",
        responses={200: shapes.GraphList, **_refusals()},
    )
)

describe_registry = describe(
    get=_operation(
        "listRegistry",
        "List what is registered: `tools`, `skills` or `stores`",
        responses={200: shapes.Registry, **_refusals(404)},
    )
)

describe_audit = describe(
    get=_operation(
        "listAuditRecords",
        "List the records of the audit trail, newest first",
        parameters=[
            _query("kind", "A `fact.kind`; an unknown one matches no record"),
            _query("actor", "Whose doing it was"),
            _query("run_id", "What concerns this run"),
            _query("since", "Then or later; no zone means UTC", OpenApiTypes.DATETIME),
            _query("until", "Before", OpenApiTypes.DATETIME),
            *_PAGE,
        ],
        responses={200: shapes.AuditPage, **_refusals(422)},
    )
)
