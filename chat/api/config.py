"""`/api/config`: what the chat page needs to know before anybody has logged in."""

from typing import ClassVar

from django.http import HttpResponse

from chat.api.base import ApiRequest, GatewayView, json_response
from chat.api.schema_settings import describe_config
from chat.live_settings.page import page_config


@describe_config
class ConfigView(GatewayView):
    capabilities: ClassVar = {"GET": None}

    def get(self, request: ApiRequest) -> HttpResponse:
        return json_response(page_config())
