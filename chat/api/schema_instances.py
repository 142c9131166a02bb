"""What the operations on instances take and answer, for the OpenAPI document."""

from collections.abc import Callable
from typing import Any, Literal

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
)
from drf_spectacular.utils import extend_schema_view as describe
from pydantic import BaseModel, Field, RootModel

from runs.api.shapes import ErrorBody, Shape

TAIL_DEFAULT, TAIL_MAX = 50, 10_000

_Seconds = Field(description="Unix seconds")


class InstanceHealth(Shape):
    cpu_percent: float
    memory_mb: int
    disk_mb: int
    last_heartbeat: int = _Seconds
    uptime_secs: int


class InstanceItem(Shape):
    id: str
    name: str | None
    status: Literal["creating", "running", "paused", "stopped", "error"]
    region: str | None
    created_at: int = _Seconds
    updated_at: int = _Seconds
    health: InstanceHealth | None = Field(description="If the backend sends it along")


class InstanceList(RootModel[list[InstanceItem]]):
    pass


class InstancePaused(Shape):
    status: Literal["paused"]


class InstanceRestarted(Shape):
    status: Literal["restarted"]


_REFUSALS = {
    400: "The request is malformed, or the backend finds it so",
    401: "No credential, or a wrong one",
    403: "The caller lacks the capability",
    404: "The backend has no such instance",
    409: "The backend says that it cannot be done now",
    413: "The body is too large",
    415: "The body is not `application/json`",
    422: "A field has another type, or the backend does not take the request",
    429: "Too many requests, or too many wrong credentials",
    501: "The backend cannot do that",
    502: "The backend cannot be reached, failed, answers nonsense, or does not take our key",
    503: "No backend is configured, or it has no room: `Retry-After` says when to come again",
    504: "The backend did not answer in time",
}
_OF_BACKEND = (400, 409, 422, 501, 502, 503, 504)


def _refusals(*statuses: int) -> dict[int | tuple[int, str], Any]:
    return {
        status: OpenApiResponse(ErrorBody, _REFUSALS[status])
        for status in sorted({*statuses, *_OF_BACKEND, 401, 403, 429})
    }


def _operation(name: str, summary: str, **facts: Any) -> Callable[..., Any]:
    facts.setdefault("description", f"{summary}.")
    return extend_schema(operation_id=name, summary=summary, tags=["Instances"], **facts)


def describe_instances(body: type[BaseModel]) -> Any:
    """The decorator of the view, whose body is described as it is checked."""
    return describe(
        get=_operation(
            "listInstances",
            "List the instances, in the backend's order",
            responses={200: InstanceList, **_refusals(404)},
        ),
        post=_operation(
            "createInstance",
            "Create an instance",
            description=(
                "Create an instance, with a name and in a region, or without. It is answered as "
                "soon as the backend has it, which is before it runs."
            ),
            request={"application/json": body},
            examples=[
                OpenApiExample(
                    "With a name",
                    value={"name": "my-bot", "region": "us-east-1"},
                    request_only=True,
                )
            ],
            responses={201: InstanceItem, **_refusals(404, 413, 415)},
        ),
    )


describe_instance = describe(
    get=_operation(
        "getInstance",
        "One instance as it is now",
        responses={200: InstanceItem, **_refusals(404)},
    ),
    delete=_operation(
        "killInstance",
        "End an instance for good",
        responses={204: OpenApiResponse(description="It is gone"), **_refusals(404)},
    ),
)

describe_pause = describe(
    post=_operation(
        "pauseInstance",
        "Suspend an instance; its data stay",
        request=None,
        responses={200: InstancePaused, **_refusals(404)},
    )
)

describe_restart = describe(
    post=_operation(
        "restartInstance",
        "Let a paused instance go on, or begin a running one anew",
        request=None,
        responses={200: InstanceRestarted, **_refusals(404)},
    )
)

describe_health = describe(
    get=_operation(
        "getInstanceHealth",
        "How an instance fares",
        responses={200: InstanceHealth, **_refusals(404)},
    )
)

_SWITCH = {"type": "integer", "enum": [0, 1], "default": 0}

describe_logs = describe(
    get=_operation(
        "streamInstanceLogs",
        "The end of an instance's log, and what comes",
        description=(
            "Server-sent events: `log` with `timestamp` (Unix seconds, 0 when unknown), `level` "
            "and `message`, then `done`, or `error` when it breaks off. With "
            "`Accept: application/x-ndjson` the same objects as lines of a file, with `download` "
            "and `Accept: text/plain` as text; a failure is the last line then."
        ),
        parameters=[
            OpenApiParameter(
                "tail",
                {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": TAIL_MAX,
                    "default": TAIL_DEFAULT,
                },
                description="How many of the last entries",
            ),
            OpenApiParameter("follow", _SWITCH, description="`1` goes on with what comes"),
            OpenApiParameter("download", _SWITCH, description="`1` answers with a file"),
        ],
        responses={
            (200, "text/event-stream"): OpenApiResponse(OpenApiTypes.STR, "The frames"),
            (200, "application/x-ndjson"): OpenApiResponse(OpenApiTypes.STR, "A line an entry"),
            (200, "text/plain"): OpenApiResponse(OpenApiTypes.STR, "A line an entry"),
            **_refusals(404),
        },
    )
)
