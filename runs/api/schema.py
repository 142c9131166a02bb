"""What each operation of the daemon's API takes and answers, for the OpenAPI document."""

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

from runs.api import shapes
from runs.api.requests import (
    EVENTS_DEFAULT,
    EVENTS_MAX,
    KEY_MAX_CHARS,
    LIST_DEFAULT,
    LIST_MAX,
    StartRunBody,
)

_TAGS = ["Daemon"]
_STREAM = (
    "Server-sent events. `status`: `{run_id, daemon_status, status}` at once and on every change. "
    "`event`: an event of the log, its seq as the id. `delta`: `{run_id, turn_id, text}`, only "
    "with `deltas=1` and without id. `done`: `{run_id, status, last_seq}`, then the stream ends. "
    "`error`: `{error}`, then the stream ends. A comment after 15 seconds of silence."
)
_REFUSALS = {
    400: "The request is malformed",
    401: "No credential, or a wrong one",
    403: "The caller lacks the capability",
    404: "There is no such run, or the caller may not see it",
    409: "The run has ended, or the Idempotency-Key came with another body",
    413: "The body is too large",
    429: "Too many wrong credentials",
    503: "The queue is full or the server shuts down; `Retry-After` says when to try again",
}


def _refusals(*statuses: int) -> dict[int | tuple[int, str], Any]:
    return {
        status: OpenApiResponse(shapes.ErrorBody, _REFUSALS[status])
        for status in (*statuses, 401, 403, 429)
    }


def _query(name: str, description: str, **schema: Any) -> OpenApiParameter:
    return OpenApiParameter(
        name, {"type": "integer", **schema} if schema else str, description=description
    )


def _header(name: str, description: str, **where: Any) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, description=description, **where)


_IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": f"^[!-~]([ -~]{{0,{KEY_MAX_CHARS - 2}}}[!-~])?$"},
    OpenApiParameter.HEADER,
    description="The same key and body again get the first answer once more",
)


def _operation(name: str, summary: str, **facts: Any) -> Callable[..., Any]:
    sentence = summary if summary.endswith("?") else f"{summary}."
    facts.setdefault("description", sentence)  # else it would be a docstring of ours
    return extend_schema(operation_id=name, summary=summary, tags=_TAGS, **facts)


describe_healthz = describe(
    get=_operation(
        "healthz",
        "Is the process alive?",
        responses={200: shapes.Liveness, **_refusals()},
    )
)

describe_readyz = describe(
    get=_operation(
        "readyz",
        "May it be sent work?",
        description="The database schema is the program's, and the queue has room.",
        responses={
            200: shapes.Readiness,
            503: OpenApiResponse(shapes.Readiness, "Not now; the body says why"),
            **_refusals(),
        },
    )
)

describe_health = describe(
    get=_operation(
        "health",
        "Which parts of the server are in order?",
        description="Anybody may ask. Each part is tried; only one in `error` makes it 503.",
        auth=[],
        responses={
            200: shapes.Health,
            503: OpenApiResponse(shapes.Health, "A part is in `error`"),
        },
    )
)

describe_runs = describe(
    get=_operation(
        "listRuns",
        "List runs that have begun, newest first",
        parameters=[
            _query(
                "limit",
                f"Above {LIST_MAX} it counts as {LIST_MAX}",
                minimum=1,
                default=LIST_DEFAULT,
            ),
            _query("offset", "Runs to skip", minimum=0, default=0),
            _query("status", "`completed`, `failed`, `cancelled` or `in progress`"),
            _query("q", "Text in the id, the status, the goal or the error, in any case"),
        ],
        responses={200: shapes.RunList, **_refusals(400)},
    ),
    post=_operation(
        "startRun",
        "Start a run",
        request={"application/json": StartRunBody},
        examples=[
            OpenApiExample(
                "An agent",
                value={"goal": "Say hello.", "metadata": {"ticket": "T-1"}, "priority": 10},
                request_only=True,
            )
        ],
        parameters=[
            _IDEMPOTENCY_KEY,
            _header("Location", "The run's address", response=[202]),
            _header("Idempotency-Replayed", "`true` on an answer given before", response=[202]),
        ],
        responses={202: shapes.AcceptedRun, **_refusals(400, 404, 409, 413, 503)},
    ),
)

describe_detail = describe(
    get=_operation(
        "getRun",
        "Read a run",
        parameters=[
            _query("validate", "`1` checks the chain of a log of more than 10,000 events as well")
        ],
        responses={200: shapes.RunDetails, **_refusals(404)},
    )
)

describe_events = describe(
    get=_operation(
        "listEvents",
        "Read a run's events in order",
        parameters=[
            _query("limit", "", minimum=1, maximum=EVENTS_MAX, default=EVENTS_DEFAULT),
            _query("offset", "Events to skip", minimum=0, default=0),
        ],
        responses={200: shapes.EventPage, **_refusals(400, 404)},
    )
)

describe_cancel = describe(
    post=_operation(
        "cancelRun",
        "Cancel a run that has not ended",
        request=None,
        responses={202: shapes.AcceptedRun, **_refusals(404, 409)},
    )
)

describe_stream = describe(
    get=_operation(
        "streamRun",
        "Watch a run: its history, then its life",
        description=_STREAM,
        parameters=[
            _header("Last-Event-ID", "The seq after which to begin; wins over `since`"),
            _query("since", "The seq after which to begin", minimum=0, default=0),
            _query("deltas", "`1` sends text as the model streams it"),
            _query("token", "An API key, for clients that cannot send headers"),
        ],
        responses={
            (200, "text/event-stream"): OpenApiResponse(OpenApiTypes.STR, "The frames"),
            **_refusals(404),
        },
    )
)

describe_metrics = describe(
    get=_operation(
        "metrics",
        "Prometheus metrics",
        responses={
            (200, "text/plain"): OpenApiResponse(OpenApiTypes.STR, "Prometheus text format"),
            **_refusals(),
        },
    )
)
