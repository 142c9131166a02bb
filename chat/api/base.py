"""What the views of the gateway share."""

from typing import Any

from django.http.response import HttpResponseBase

from accounts.errors import CapabilityDenied
from chat.errors import AdminOnly
from runs.surface import ApiRequest, SurfaceView, json_response

__all__ = ["ApiRequest", "GatewayView", "SettingsView", "json_response"]


class GatewayView(SurfaceView):
    """A route of the gateway; `capabilities` has what each method asks for."""

    http_method_names = ["get", "post", "put", "delete", "head"]


class SettingsView(GatewayView):
    """A route below `/api/settings`, for administrators."""

    def dispatch(  # type: ignore[override]
        self, request: ApiRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        try:
            return super().dispatch(request, *args, **kwargs)
        except CapabilityDenied:  # it is on record already
            raise AdminOnly from None
