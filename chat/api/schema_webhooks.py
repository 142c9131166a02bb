"""What the operations on outgoing webhooks take and answer, for the OpenAPI document."""

from collections.abc import Callable
from typing import Any, Literal

from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
)
from drf_spectacular.utils import extend_schema_view as describe
from pydantic import Field, RootModel

from chat.api.shapes import Moment
from chat.webhooks import definitions as fields
from runs.api.shapes import ABSENT, ErrorBody, Shape


class WebhookItem(Shape):
    id: str
    url: str
    description: str
    events: list[str] = Field(description="Types, and families of them: `run.*`")
    user_id: str | None = Field(description="Whose runs it hears of; null: everybody's")
    enabled: bool
    disabled_reason: str | None
    consecutive_failures: int = Field(description="Attempts since the last that succeeded")
    failing_since: str | None = Moment
    previous_secret_until: str | None = Moment
    created_at: str = Moment


class WebhookList(RootModel[list[WebhookItem]]):
    pass


class IssuedWebhook(WebhookItem):
    secret: str = Field(description="`whsec_` and base64; shown this once")


class WebhookChanges(Shape):
    """What is absent stays as it is."""

    url: fields.Url = ABSENT
    events: fields.Events = ABSENT
    description: fields.Description = ABSENT
    enabled: fields.Enabled = ABSENT


class NewWebhook(WebhookChanges):
    url: fields.Url
    events: fields.Events
    user_id: str = Field(
        ABSENT, description="A user, about whose runs alone it hears; left out: everybody's"
    )


class WebhookPayload(Shape):
    type: str
    timestamp: str = Field(description="When it happened: RFC 3339, UTC")
    data: dict[str, Any]


class WebhookAttemptItem(Shape):
    at: str = Moment
    status: int | None = Field(description="Of the answer; null: there was none")
    duration_ms: int
    error: str | None = Field(description="Why the receiver does not count as having taken it")
    response: str = Field(description="The beginning of the answer")


class WebhookDeliveryItem(Shape):
    id: str
    message_id: str = Field(description="The header `webhook-id`, the same in every attempt")
    type: str
    state: Literal["pending", "delivered", "failed", "cancelled"]
    created_at: str = Moment
    next_attempt_at: str | None = Moment
    settled_at: str | None = Moment
    payload: WebhookPayload
    attempts: list[WebhookAttemptItem]


class WebhookDeliveryList(RootModel[list[WebhookDeliveryItem]]):
    pass


_REFUSALS = {
    400: "A value is out of range, or the body is no JSON",
    401: "No credential, or a wrong one",
    403: "The caller may not manage settings",
    404: "There is no such webhook or delivery",
    409: "The webhook is disabled",
    413: "The body is too large",
    415: "The body is not `application/json`",
    422: "A field is missing or has another type",
    429: "Too many requests, or too many wrong credentials",
}
# Under a name that resolves nowhere: whoever tries it out tells nobody.
_EXAMPLE = OpenApiExample(
    "Every end of a run",
    value={
        "url": "https://dashboard.example/hook",
        "events": ["run.*"],
        "description": "Dashboard",
    },
    request_only=True,
)


def _refusals(*statuses: int) -> dict[int | tuple[int, str], Any]:
    return {
        status: OpenApiResponse(ErrorBody, _REFUSALS[status])
        for status in (*statuses, 401, 403, 429)
    }


def _operation(name: str, summary: str, **facts: Any) -> Callable[..., Any]:
    facts.setdefault("description", f"{summary}.")
    return extend_schema(operation_id=name, summary=summary, tags=["Outgoing webhooks"], **facts)


describe_webhooks = describe(
    get=_operation(
        "listWebhooks",
        "List the outgoing webhooks",
        responses={200: WebhookList, **_refusals()},
    ),
    post=_operation(
        "createWebhook",
        "Make an outgoing webhook",
        description="It is told of what happens from now on. The secret is in this answer only.",
        request={"application/json": NewWebhook},
        examples=[_EXAMPLE],
        responses={201: IssuedWebhook, **_refusals(400, 413, 415, 422)},
    ),
)

describe_webhook = describe(
    get=_operation(
        "getWebhook", "Get an outgoing webhook", responses={200: WebhookItem, **_refusals(404)}
    ),
    put=_operation(
        "updateWebhook",
        "Change, enable or disable an outgoing webhook",
        description="Deliveries that wait are cancelled when it is disabled.",
        request={"application/json": WebhookChanges},
        responses={200: WebhookItem, **_refusals(400, 404, 413, 415, 422)},
    ),
    delete=_operation(
        "deleteWebhook",
        "Delete an outgoing webhook and its log",
        responses={204: OpenApiResponse(description="It is gone"), **_refusals(404)},
    ),
)

describe_rotation = describe(
    post=_operation(
        "rotateWebhookSecret",
        "Give an outgoing webhook a new secret",
        description="For a day messages are signed with the secret of before as well.",
        request=None,
        responses={200: IssuedWebhook, **_refusals(404)},
    )
)

describe_test = describe(
    post=_operation(
        "testWebhook",
        "Send `webhook.test`",
        description="What became of it is in the log of deliveries a moment later.",
        request=None,
        responses={202: WebhookDeliveryItem, **_refusals(404, 409)},
    )
)

describe_deliveries = describe(
    get=_operation(
        "listWebhookDeliveries",
        "What was sent to a webhook, newest first",
        parameters=[
            OpenApiParameter(
                "limit",
                {"type": "integer", "minimum": 0, "default": 50},
                description="Above 200 it counts as 200",
            )
        ],
        responses={200: WebhookDeliveryList, **_refusals(400, 404)},
    )
)

describe_redelivery = describe(
    post=_operation(
        "redeliverWebhookMessage",
        "Send a message again",
        description="Now, under the same `webhook-id`, and with all retries.",
        request=None,
        responses={202: WebhookDeliveryItem, **_refusals(404, 409)},
    )
)
