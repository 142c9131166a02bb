"""Routes of the daemon's API. A run id is one segment of `[A-Za-z0-9_-]`."""

from django.urls import URLPattern, path, register_converter

from runs.api.health import ComponentsView, HealthView, ReadyView
from runs.api.metrics_view import MetricsView
from runs.api.stream import StreamView
from runs.api.views import CancelView, EventsView, RunsView, RunView


class RunIdConverter:
    """What is no run id is no route, and never reaches the database."""

    regex = "[A-Za-z0-9_-]{1,64}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(RunIdConverter, "run_id")

urlpatterns: list[URLPattern] = [
    path("health", ComponentsView.as_view()),
    path("api/v1/healthz", HealthView.as_view()),
    path("api/v1/readyz", ReadyView.as_view()),
    path("api/v1/runs", RunsView.as_view()),
    path("api/v1/runs/<run_id:run_id>", RunView.as_view(), name="api-v1-run"),
    path("api/v1/runs/<run_id:run_id>/events", EventsView.as_view()),
    path("api/v1/runs/<run_id:run_id>/stream", StreamView.as_view()),
    path("api/v1/runs/<run_id:run_id>/cancel", CancelView.as_view()),
    path("metrics", MetricsView.as_view()),
]
