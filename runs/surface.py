"""What the views of both run APIs share: who may call them, and JSON out."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from rest_framework.views import APIView

from accounts import rate_limits
from accounts.permissions import authorize
from accounts.principals import Principal
from runs.log.events import to_json


class ApiRequest(HttpRequest):
    """A request that the gate let in."""

    principal: Principal


class SurfaceView(APIView):
    """A DRF view to those who describe or route it, a plain function call to those who call it.

    Who is calling was settled by the gate (project.middleware), bodies are checked in the
    `requests.py` of each API and refusals become answers in `project.api_errors`, so nothing of
    DRF's own dispatch is left to do; it would be a tenth of the time of a request.
    """

    http_method_names = ["get", "post", "head"]
    answers_head: ClassVar[bool] = True
    #: The capability that each method asks for; HEAD is GET, `None` is anybody the gate let in.
    capabilities: ClassVar[Mapping[str, str | None]]

    def dispatch(  # type: ignore[override]  # what DRF makes of a request is not made here
        self, request: ApiRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        method = request.method or ""
        if method == "HEAD" and self.answers_head:
            method = "GET"
        if method not in self.capabilities:
            return HttpResponseNotAllowed(self._allowed())
        capability = self.capabilities[method]
        if capability is not None:
            authorize(request.principal, capability, route=request.path)
        # Webhooks and probes come to no gate of ours: nobody is behind them, but an address.
        rate_limits.charge(request, getattr(request, "principal", None))
        handler: Callable[..., HttpResponseBase] = getattr(self, method.lower())
        return handler(request, *args, **kwargs)

    def _allowed(self) -> list[str]:
        methods = list(self.capabilities)
        if self.answers_head and "GET" in methods:
            methods.insert(methods.index("GET") + 1, "HEAD")
        return methods


def json_response(
    body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    return json_bytes_response(to_json(body), status=status, headers=headers)


def json_bytes_response(
    body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """For JSON that is serialised already."""
    return HttpResponse(body, content_type="application/json", status=status, headers=headers)
