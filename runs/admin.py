"""Runs inside the admin: to be read, and cancelled through the service; nothing else."""

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path
from unfold.admin import ModelAdmin

import runs.api.urls
import runs.graph_pages.admin
import runs.triggers.admin  # noqa: F401 - registers its pages
from accounts import capabilities
from accounts.permissions import admit
from accounts.principals import Principal
from runs.errors import RunAlreadyFinished, RunNotFound
from runs.inspector.access import inspects, require_inspector
from runs.inspector.pages import ADMIN, detail_context, list_context
from runs.models import Run
from runs.services.lifecycle import cancel_run
from runs.services.listing import find_run

#: Runs cancelled by one request; a page shows no more.
MOST_AT_ONCE = 200


@admin.register(Run)
class RunAdmin(ModelAdmin):  # type: ignore[misc] # unfold has no type information
    """The pages of `runs.inspector` with the admin around them."""

    def get_urls(self) -> list[URLPattern]:
        """Without the forms that would add, change or delete."""
        view = self.admin_site.admin_view
        return [
            path("", view(self.changelist_view), name="runs_run_changelist"),
            path("cancel/", view(self.cancel_view), name="runs_run_cancel"),
            path("<run_id:run_id>/change/", view(self.change_view), name="runs_run_change"),
            path("<run_id:run_id>/cancel/", view(self.cancel_view), name="runs_run_cancel_one"),
        ]

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        allowed: bool = super().has_view_permission(request, obj)
        return allowed and settings.STARPORT_INSPECT

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        @inspects
        def page(request: HttpRequest, caller: Principal) -> HttpResponse:
            context = list_context(caller, request, ADMIN)
            context["ticks"] = caller.can(capabilities.RUNS_CANCEL) and any(
                not row.is_finished for row, _ in context["rows"]
            )
            return self._render(request, "admin/runs/run/change_list.html", caller, context)

        return page(request)

    def change_view(self, request: HttpRequest, run_id: str) -> HttpResponse:
        @inspects
        def page(request: HttpRequest, caller: Principal) -> HttpResponse:
            context = detail_context(caller, request, run_id, ADMIN)
            return self._render(request, "admin/runs/run/change_form.html", caller, context)

        return page(request)

    def cancel_view(self, request: HttpRequest, run_id: str = "") -> HttpResponse:
        """Cancels one run, or those ticked in the list, and says of each what became of it."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        caller = admit(request, capabilities.RUNS_CANCEL)
        require_inspector()
        chosen = [run_id] if run_id else request.POST.getlist("run_id")[:MOST_AT_ONCE]
        for chosen_id in chosen:
            _cancel(request, caller, chosen_id)
        return HttpResponseRedirect(ADMIN.run_url(run_id) if run_id else ADMIN.list_url)

    def _render(
        self, request: HttpRequest, template: str, caller: Principal, context: dict[str, Any]
    ) -> HttpResponse:
        surroundings = self.admin_site.each_context(request)
        may_cancel = {"may_cancel": caller.can(capabilities.RUNS_CANCEL)}
        return render(
            request, template, {**surroundings, "opts": self.opts, **may_cancel, **context}
        )


def _cancel(request: HttpRequest, caller: Principal, run_id: str) -> None:
    try:
        find_run(caller, run_id)
        cancel_run(run_id=run_id, actor=caller.actor)
    except RunAlreadyFinished as error:
        messages.warning(request, f"Not cancelled: {error}.")
    except RunNotFound as error:
        messages.error(request, f"Not cancelled: {error}.")
    else:
        messages.success(request, f"Cancelled {run_id}.")
