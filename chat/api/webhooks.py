"""`/api/settings/webhooks`: who is told of what happens, and what became of it."""

from typing import Any, ClassVar

from django.http import HttpResponse
from pydantic import Field

from accounts import capabilities
from chat.api import schema_webhooks as schema
from chat.api.base import ApiRequest, SettingsView, json_response
from chat.api.bodies import Body, read_body
from chat.api.queries import read_limit
from chat.models import WebhookEndpoint
from chat.webhooks import endpoints, log
from chat.webhooks.definitions import EndpointChanges, NewEndpoint
from chat.webhooks.maps import delivery_map, endpoint_map

DELIVERIES_DEFAULT, DELIVERIES_MAX = 50, 200


class NewWebhookBody(NewEndpoint, Body):
    #: Who hears of their own runs alone; left out, everything is heard of.
    user_id: str | None = Field(None, max_length=36)


class WebhookChangesBody(EndpointChanges, Body):
    """All fields are optional: what is absent stays as it is."""


@schema.describe_webhooks
class WebhooksView(SettingsView):
    capabilities: ClassVar = {
        "GET": capabilities.SETTINGS_MANAGE,
        "POST": capabilities.SETTINGS_MANAGE,
    }

    def get(self, request: ApiRequest) -> HttpResponse:
        return json_response([endpoint_map(row) for row in WebhookEndpoint.objects.all()])

    def post(self, request: ApiRequest) -> HttpResponse:
        body = read_body(request, NewWebhookBody)
        issued = endpoints.create_endpoint(
            body, owner=body.user_id or "", actor=request.principal.actor
        )
        return _with_secret(issued, status=201)


@schema.describe_webhook
class WebhookView(SettingsView):
    capabilities: ClassVar = {
        "GET": capabilities.SETTINGS_MANAGE,
        "PUT": capabilities.SETTINGS_MANAGE,
        "DELETE": capabilities.SETTINGS_MANAGE,
    }

    def get(self, request: ApiRequest, endpoint_id: str) -> HttpResponse:
        return json_response(endpoint_map(endpoints.find_endpoint(endpoint_id)))

    def put(self, request: ApiRequest, endpoint_id: str) -> HttpResponse:
        body = read_body(request, WebhookChangesBody)
        changed = endpoints.update_endpoint(endpoint_id, body, actor=request.principal.actor)
        return json_response(endpoint_map(changed))

    def delete(self, request: ApiRequest, endpoint_id: str) -> HttpResponse:
        endpoints.delete_endpoint(endpoint_id, actor=request.principal.actor)
        return HttpResponse(status=204)


@schema.describe_rotation
class RotateView(SettingsView):
    capabilities: ClassVar = {"POST": capabilities.SETTINGS_MANAGE}

    def post(self, request: ApiRequest, endpoint_id: str) -> HttpResponse:
        return _with_secret(
            endpoints.rotate_secret(endpoint_id, actor=request.principal.actor), status=200
        )


@schema.describe_test
class WebhookTestView(SettingsView):
    capabilities: ClassVar = {"POST": capabilities.SETTINGS_MANAGE}

    def post(self, request: ApiRequest, endpoint_id: str) -> HttpResponse:
        delivery = endpoints.request_test(endpoint_id, actor=request.principal.actor)
        return json_response(delivery_map(delivery), status=202)


@schema.describe_deliveries
class WebhookDeliveriesView(SettingsView):
    capabilities: ClassVar = {"GET": capabilities.SETTINGS_MANAGE}

    def get(self, request: ApiRequest, endpoint_id: str) -> HttpResponse:
        limit = read_limit(request, default=DELIVERIES_DEFAULT, most=DELIVERIES_MAX)
        endpoint = endpoints.find_endpoint(endpoint_id)
        rows = log.deliveries_of(endpoint.pk, limit=limit)
        return json_response([delivery_map(row) for row in rows])


@schema.describe_redelivery
class RedeliverView(SettingsView):
    capabilities: ClassVar = {"POST": capabilities.SETTINGS_MANAGE}

    def post(self, request: ApiRequest, endpoint_id: str, delivery_id: str) -> HttpResponse:
        endpoint = endpoints.find_endpoint(endpoint_id)
        delivery = log.redeliver(endpoint.pk, delivery_id, actor=request.principal.actor)
        return json_response(delivery_map(delivery), status=202)


def _with_secret(issued: endpoints.Issued, *, status: int) -> HttpResponse:
    shown: dict[str, Any] = {**endpoint_map(issued.endpoint), "secret": issued.secret}
    return json_response(shown, status=status)
