"""Views that only tell who is calling, beside the admin."""

from django.contrib import admin
from django.http import HttpRequest, JsonResponse
from django.urls import include, path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import authenticate_http
from accounts.permissions import HasCapability, principal_of


class RunsView(APIView):
    permission_classes = [HasCapability]
    required_capability = {"GET": "runs:read", "POST": "runs:start"}

    def get(self, request: Request) -> Response:
        principal = principal_of(request)
        return Response(
            {
                "actor": principal.actor,
                "provider": principal.provider,
                "user": str(request.user),
                "sees_all_runs": principal.sees_all_runs,
            }
        )

    post = get


class StreamView(RunsView):
    allow_query_token = True


class ForgottenView(APIView):
    permission_classes = [HasCapability]

    def get(self, request: Request) -> Response:
        return Response({})


def plain_view(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"actor": authenticate_http(request).actor})


urlpatterns = [
    # The sidebar links these.
    path("admin/approvals/", include("runs.approvals.urls")),
    path("admin/costs/", include("chat.costs.urls")),
    path("admin/settings/", include("chat.live_settings.urls")),
    path("admin/", admin.site.urls),
    path("v1/runs", RunsView.as_view()),
    path("v1/stream", StreamView.as_view()),
    path("v1/forgotten", ForgottenView.as_view()),
    path("plain", plain_view),
]
