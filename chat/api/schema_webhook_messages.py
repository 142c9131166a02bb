"""What outgoing webhooks send, as `webhooks` of the OpenAPI document."""

from typing import Any

from pydantic import Field

from chat.webhooks import event_types
from runs.api.shapes import Shape

_Moment = Field(description="RFC 3339, UTC", json_schema_extra={"format": "date-time"})
_Links = Field(description="Paths on this server, by what is there")


class _AboutRun(Shape):
    run_id: str
    status: str
    graph_id: str
    user_id: str | None = Field(description="Who started the run")
    links: dict[str, str] = _Links


class EndOfRun(_AboutRun):
    trigger_source: str
    started_by: str | None
    parent_run_id: str | None
    accepted_at: str = _Moment
    started_at: str | None = _Moment
    finished_at: str = _Moment
    duration_ms: int
    turns: int
    tool_calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float
    error_type: str | None
    merkle_root: str | None = Field(description="Lower-case hex")


class Question(_AboutRun):
    request_seq: int = Field(description="The event that asks")
    requested_at: str = _Moment
    node_id: str | None
    requested_capability: str | None
    deadline_at: str | None = _Moment


class AnswerGiven(_AboutRun):
    request_seq: int = Field(description="The event that asked")
    answered_at: str = _Moment
    answered_by: str | None


class StatusOfInstance(Shape):
    instance_id: str
    name: str | None
    previous_status: str | None
    status: str
    cause: str
    changed_at: str = _Moment
    links: dict[str, str] = _Links


class InstanceGivenUp(Shape):
    instance_id: str
    name: str | None
    status: str
    last_heartbeat: int | None = Field(description="Unix seconds, by the instance's clock")
    given_up_at: str = _Moment
    links: dict[str, str] = _Links


class Trial(Shape):
    endpoint_id: str


DATA: dict[str, type[Shape]] = {
    event_types.RUN_COMPLETED: EndOfRun,
    event_types.RUN_FAILED: EndOfRun,
    event_types.RUN_CANCELLED: EndOfRun,
    event_types.APPROVAL_REQUESTED: Question,
    event_types.APPROVAL_ANSWERED: AnswerGiven,
    event_types.INSTANCE_STATUS_CHANGED: StatusOfInstance,
    event_types.INSTANCE_GIVEN_UP: InstanceGivenUp,
    event_types.TEST: Trial,
}
_SUMMARIES = {**event_types.TYPES, event_types.TEST: "somebody tries an endpoint"}
_HEADERS = {
    "webhook-id": "Of the message: the same in every attempt",
    "webhook-timestamp": "Unix seconds, of the attempt",
    "webhook-signature": "`v1,` and base64 of the HMAC-SHA256 of id, timestamp and body; several, "
    "divided by spaces, while a secret is rotated",
}


def describe_messages(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A postprocessing hook of drf-spectacular."""
    result["webhooks"] = {name: {"post": _sent(name)} for name in DATA}
    return result


def body_schema(event_type: str) -> dict[str, Any]:
    """Receivers take what they know: later versions may send more."""
    data = DATA[event_type].model_json_schema()
    del data["additionalProperties"]
    return {
        "type": "object",
        "properties": {
            "type": {"type": "string", "const": event_type},
            "timestamp": {
                "type": "string",
                "format": "date-time",
                "description": "When it happened: RFC 3339, UTC",
            },
            "data": data,
        },
        "required": ["type", "timestamp", "data"],
    }


def _sent(event_type: str) -> dict[str, Any]:
    return {
        "summary": _SUMMARIES[event_type].capitalize(),
        "tags": ["Outgoing webhooks"],
        "parameters": [
            {
                "name": name,
                "in": "header",
                "required": True,
                "description": description,
                "schema": {"type": "string"},
            }
            for name, description in _HEADERS.items()
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": body_schema(event_type)}},
        },
        "responses": {
            "2XX": {"description": "Taken"},
            "410": {"description": "Gone: the endpoint is disabled"},
            "default": {"description": "Not taken: it is sent again"},
        },
    }
