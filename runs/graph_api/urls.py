"""Routes of `/v1`. A run id is one segment of `[A-Za-z0-9_-]`."""

from django.urls import URLPattern, path

from runs.graph_api.artifacts import ArtifactView, RunArtifactsView
from runs.graph_api.audit import AuditView
from runs.graph_api.steps import CounterfactualView, DiffView, StateView
from runs.graph_api.views import (
    ApprovalsView,
    CancelView,
    GraphsView,
    PauseView,
    RegistryView,
    RespondView,
    ResumeView,
    RunsView,
    RunView,
)

urlpatterns: list[URLPattern] = [
    path("v1/runs", RunsView.as_view()),
    path("v1/runs/<run_id:run_id>", RunView.as_view(), name="v1-run"),
    path("v1/runs/<run_id:run_id>/cancel", CancelView.as_view()),
    path("v1/runs/<run_id:run_id>/pause", PauseView.as_view()),
    path("v1/runs/<run_id:run_id>/resume", ResumeView.as_view()),
    path("v1/runs/<run_id:run_id>/respond", RespondView.as_view()),
    path("v1/runs/<run_id:run_id>/artifacts", RunArtifactsView.as_view()),
    path("v1/artifacts/<str:artifact_id>", ArtifactView.as_view(), name="v1-artifact"),
    path("v1/runs/<run_id:run_id>/counterfactual", CounterfactualView.as_view()),
    path("v1/runs/<run_id:run_id>/state", StateView.as_view()),
    path("v1/runs/<run_id:run_id>/diff", DiffView.as_view()),
    path("v1/approvals", ApprovalsView.as_view()),
    path("v1/graphs", GraphsView.as_view()),
    path("v1/registry/<str:kind>", RegistryView.as_view()),
    path("v1/audit", AuditView.as_view()),
]
