"""Graphs in the admin: drawn and listed with all their versions, registered and retired."""

from typing import Any

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from unfold.admin import ModelAdmin

from accounts import capabilities
from accounts.permissions import admit
from runs.errors import GraphNotFound
from runs.graph_pages.documents import decode, text_of
from runs.graph_pages.pages import current_document, graph_context, list_context
from runs.graphs.problems import GraphInvalid, Problem
from runs.graphs.registry import built_in_graphs, register, retire
from runs.inspector.pages import graph_url
from runs.models import GraphVersion

SOURCE = "admin"


@admin.register(GraphVersion)
class GraphVersionAdmin(ModelAdmin):  # type: ignore[misc] # unfold has no type information
    """Pages of graphs rather than of rows: versions are stored by the registry alone."""

    def get_urls(self) -> list[URLPattern]:
        """Ids of graphs may hold slashes, so nothing comes after them."""
        view = self.admin_site.admin_view
        return [
            path("", view(self.changelist_view), name="runs_graphversion_changelist"),
            path("register/", view(self.register_view), name="runs_graphversion_register"),
            path("retire/", view(self.retire_view), name="runs_graphversion_retire"),
            path("graph/<path:graph_id>", view(self.graph_view), name="runs_graphversion_change"),
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        caller = admit(request, capabilities.RUNS_READ)
        return self._render(request, "list.html", list_context(caller))

    def graph_view(self, request: HttpRequest, graph_id: str) -> HttpResponse:
        caller = admit(request, capabilities.RUNS_READ)
        try:
            context = graph_context(caller, graph_id, request.GET.get("version", ""))
        except GraphNotFound as error:
            raise Http404(str(error)) from error
        return self._render(request, "graph.html", context)

    def register_view(self, request: HttpRequest) -> HttpResponse:
        """The form; what is refused comes back as it was sent, with every problem it has."""
        caller = admit(request, capabilities.SETTINGS_MANAGE)
        if request.method != "POST":
            text = current_document(request.GET.get("from", ""))
            return self._form(request, text)
        text = request.POST.get("document", "")
        try:
            text = text_of(request.FILES.get("file"), text)
            graph = register(decode(text), source=SOURCE, actor=caller.actor)
        except GraphInvalid as error:
            return self._form(request, text, error.problems)
        messages.success(request, f"Registered {graph.id}, version {graph.hash[:12]}.")
        return redirect(graph_url(graph.id))

    def retire_view(self, request: HttpRequest) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        caller = admit(request, capabilities.SETTINGS_MANAGE)
        graph_id = request.POST.get("graph_id", "")
        if graph_id in built_in_graphs():
            messages.error(request, "A built-in graph cannot be retired.")
            return redirect(graph_url(graph_id))
        retire(graph_id, actor=caller.actor)
        messages.success(request, f"Retired {graph_id}. Runs that began on it go on.")
        return redirect("admin:runs_graphversion_changelist")

    def _form(
        self, request: HttpRequest, text: str, problems: tuple[Problem, ...] = ()
    ) -> HttpResponse:
        context = {"title": "Register a graph", "document": text, "problems": problems}
        return self._render(request, "register.html", context)

    def _render(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        surroundings = {**self.admin_site.each_context(request), "opts": self.opts}
        return render(
            request,
            f"admin/runs/graphversion/{template}",
            {**surroundings, **context},
        )
