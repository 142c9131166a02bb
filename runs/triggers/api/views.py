"""Routes of triggers: the webhooks themselves, and what `/v1` says and does about all triggers."""

from typing import Any, ClassVar

from django.http import HttpResponse
from django.urls import reverse

from accounts import capabilities
from accounts.credentials import address_of
from accounts.principals import Principal
from runs.errors import IdempotencyConflict, TriggerNotFound
from runs.graph_api.requests import complaint, read_sent
from runs.graph_api.summaries import timestamp
from runs.graph_api.views import GraphView
from runs.models import Trigger, WebhookTrigger
from runs.services.starting import Idempotency, Started
from runs.surface import ApiRequest, json_response
from runs.triggers.api import schema
from runs.triggers.deliveries import deliver_by_hand, receive
from runs.triggers.firing import find_trigger, fire_by_hand

KEY_MAX_CHARS = 255


@schema.describe_hook
class HookView(GraphView):
    """No credential but the signature: nobody is asked who they are."""

    capabilities: ClassVar = {"POST": None}
    authentication_classes = ()

    def post(self, request: ApiRequest, path: str) -> HttpResponse:
        try:
            delivery = receive(
                path, request.body, headers=request.headers, remote_address=address_of(request)
            )
        except TriggerNotFound:
            return json_response({"detail": "Not Found"}, status=404)
        if delivery.status == 200:
            return json_response(
                {
                    "accepted": True,
                    "idempotency_key": delivery.idempotency_key,
                    "run_id": delivery.run_id,
                }
            )
        headers = {"X-Error-Code": delivery.code}
        if delivery.status == 503:
            headers["Retry-After"] = "1"
        return json_response({"detail": delivery.detail}, status=delivery.status, headers=headers)


@schema.describe_triggers
class TriggersView(GraphView):
    capabilities: ClassVar = {"GET": capabilities.RUNS_READ}

    def get(self, request: ApiRequest) -> HttpResponse:
        triggers = Trigger.objects.select_related("crontrigger")
        return json_response([_row(trigger, request.principal) for trigger in triggers])


def _row(trigger: Trigger, caller: Principal) -> dict[str, Any]:
    next_at = trigger.crontrigger.next_fire_at if trigger.kind == Trigger.Kind.CRON else None
    fired_at = trigger.last_fired_at
    return {
        "trigger_id": trigger.trigger_id,
        "kind": trigger.kind,
        "graph_id": trigger.graph_id,
        "enabled": trigger.is_enabled,
        "source": trigger.source,
        "next_fire_at": next_at and timestamp(next_at),
        "last_fired_at": fired_at and timestamp(fired_at),
        # A run that the caller may not see is as if it did not exist.
        "last_run_id": (trigger.last_run_id or None) if caller.sees_all_runs else None,
    }


@schema.describe_fire
class FireView(GraphView):
    capabilities: ClassVar = {"POST": capabilities.RUNS_START}

    def post(self, request: ApiRequest, trigger_id: str) -> HttpResponse:
        body = _object(request)
        key = _idempotency_key(request)
        trigger = find_trigger(trigger_id)
        caller = request.principal
        scope = f"{caller.actor} /v1/triggers {trigger_id}"
        idempotency = Idempotency(scope, key, body) if key is not None else None
        try:
            started = _fire(trigger, body, request, idempotency)
        except IdempotencyConflict:
            raise IdempotencyConflict(
                "idempotency_key already used with a different request"
            ) from None
        headers = {"Location": reverse("v1-run", args=[started.run_id])}
        if started.is_replay:
            headers["Idempotency-Replayed"] = "true"
        answer = {"run_id": started.run_id, "status": "pending"}
        return json_response(answer, status=202, headers=headers)


def _fire(
    trigger: Trigger, body: dict[str, Any], request: ApiRequest, idempotency: Idempotency | None
) -> Started:
    caller = request.principal
    if trigger.kind != Trigger.Kind.WEBHOOK:
        return fire_by_hand(trigger, caller=caller, inputs=body, idempotency=idempotency)
    return deliver_by_hand(
        WebhookTrigger.objects.get(pk=trigger.pk),
        body,
        caller=caller,
        remote_address=address_of(request),
        idempotency=idempotency,
    )


def _object(request: ApiRequest) -> dict[str, Any]:
    """The body; none at all is an empty object."""
    if not request.body.strip():
        return {}
    body = read_sent(request)
    if not isinstance(body, dict):
        raise complaint("dict_type", "Input should be a valid dictionary", "body")
    return body


def _idempotency_key(request: ApiRequest) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (1 <= len(key) <= KEY_MAX_CHARS and key.isprintable()):
        raise complaint(
            "value_error", "must be 1 to 255 printable characters", "header", "idempotency-key"
        )
    return key
