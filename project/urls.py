"""Which surface answers which path."""

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from project import openapi_pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("chat.page.urls")),
    path("admin/approvals/", include("runs.approvals.urls")),
    path("admin/settings/", include("chat.live_settings.urls")),
    path("admin/costs/", include("chat.costs.urls")),
    path("admin/fleet/", include("instances.pages.urls")),
    path("admin/", admin.site.urls),
    path("", include("runs.api.urls")),
    path("", include("runs.graph_api.urls")),
    path("", include("runs.triggers.api.urls")),
    path("", include("runs.inspector.urls")),
    path("", include("chat.api.urls")),
    path("", include("chat.docs_site.urls")),
]
if settings.STARPORT_OPENAPI:
    urlpatterns += [
        path("openapi.json", openapi_pages.document, name="openapi"),
        path("swagger", openapi_pages.swagger),
        path("redoc", openapi_pages.redoc),
        path("redoc/bundle.js", openapi_pages.redoc_bundle, name="redoc-bundle"),
    ]
handler400 = "project.api_errors.bad_request"
handler403 = "project.api_errors.permission_denied"
handler404 = "project.api_errors.not_found"
handler500 = "project.api_errors.server_error"
