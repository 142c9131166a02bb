"""What the triggers' operations take and answer, for the OpenAPI document."""

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from drf_spectacular.utils import extend_schema_view as describe

from runs.graph_api.schema import IDEMPOTENCY_KEY, example
from runs.graph_api.shapes import InvalidRequestBody, PendingRun, Refusal
from runs.triggers.api import shapes


def _header(name: str, description: str, **where: Any) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, description=description, **where)


def _operation(name: str, summary: str, **facts: Any) -> Callable[..., Any]:
    facts.setdefault("description", f"{summary}.")
    return extend_schema(operation_id=name, summary=summary, tags=["Triggers"], **facts)


def _refused(**reasons: str) -> dict[int, Any]:
    return {
        int(status.removeprefix("s")): OpenApiResponse(Refusal, reason)
        for status, reason in reasons.items()
    }


_CALLER = {
    "s401": "No credential, or a wrong one",
    "s403": "The caller lacks the capability",
    "s429": "Too many wrong credentials",
}

describe_hook = describe(
    post=_operation(
        "receiveWebhook",
        "Start a run by a signed request",
        description=(
            "Start a run by a signed request. The signature is the only credential: HMAC-SHA256 "
            "under the trigger's secret, over timestamp, a dot and the body, or GitHub's."
        ),
        auth=[],
        request={"application/json": shapes.JsonObject},
        parameters=[
            _header("X-Stargraph-Timestamp", "Unix seconds"),
            _header("X-Stargraph-Signature", "Lower-case hex of the HMAC"),
            _header("X-Hub-Signature-256", "GitHub's scheme: `sha256=` and the HMAC of the body"),
            _header("X-GitHub-Delivery", "GitHub's scheme: what may come once"),
        ],
        responses={
            200: shapes.Accepted,
            **_refused(
                s400="`invalid_body_json: …` or `body_not_json_object`",
                s401="`missing_headers`, `invalid_timestamp`, `timestamp_out_of_window` or"
                " `invalid_signature`",
                s404="No enabled webhook has this path",
                s409="`duplicate_nonce`: this request came before",
                s413="`body_too_large`: more than 1 MiB",
                s422="`input_invalid: …`: the body gives no inputs that the graph takes",
                s503="`queue_full`, `shutting_down` or `secret_unavailable`; try again",
            ),
        },
    )
)

describe_triggers = describe(
    get=_operation(
        "listTriggers",
        "List what starts runs by itself or under a name",
        responses={200: shapes.TriggerList, **_refused(**_CALLER)},
    )
)

describe_fire = describe(
    post=_operation(
        "fireTrigger",
        "Start a run of a trigger now",
        description=(
            "Start a run of a trigger now. The body of a webhook is the body it would have "
            "received; for others its fields are inputs and come before the trigger's own."
        ),
        request={"application/json": shapes.JsonObject},
        examples=[example("Inputs", {"goal": "Say hello."})],
        parameters=[
            IDEMPOTENCY_KEY,
            _header("Location", "The run's address", response=[202]),
            _header("Idempotency-Replayed", "`true` on an answer given before", response=[202]),
        ],
        responses={
            202: PendingRun,
            422: OpenApiResponse(InvalidRequestBody, "What is wrong is named"),
            **_refused(
                **_CALLER,
                s404="There is no such trigger, or its graph is gone",
                s409="The trigger is disabled, or the idempotency key was used before",
                s413="The body is too large",
                s503="The queue is full or the server shuts down",
            ),
        },
    )
)
