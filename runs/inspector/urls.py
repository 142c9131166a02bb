"""Routes below `/inspect`."""

from django.urls import URLPattern, path

import runs.api.urls  # noqa: F401 - registers the `run_id` converter
from runs.inspector import views

urlpatterns: list[URLPattern] = [
    path("inspect", views.without_slash),
    path("inspect/", views.run_list, name="inspect-list"),
    path("inspect/run/<run_id:run_id>", views.run_detail, name="inspect-run"),
    path("inspect/run/<run_id:run_id>/live", views.live_fragment, name="inspect-live"),
    path("inspect/run/<run_id:run_id>/event/<str:seq>", views.event_fragment, name="inspect-event"),
    path(
        "inspect/run/<run_id:run_id>/event/<str:seq>/json",
        views.event_json,
        name="inspect-event-json",
    ),
]
