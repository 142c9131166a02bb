"""Instances in the admin: to be read, and commanded through the fleet's services.

What a single one tells is on its page (`instances.pages`), which the list leads to.
"""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from accounts import capabilities
from accounts.permissions import admit
from instances import operator_settings
from instances.models import Instance, RestartAttempt, StatusChange
from instances.objects import Status
from instances.pages.commands import COMMANDS
from instances.pages.fleet import PERIOD
from instances.pages.formats import megabytes, moment, moment_of, names_of
from instances.pages.samples import cpu_chart, measure
from instances.pages.standing import page_of, told_why, why_of
from instances.pages.views import tell_of

MOST_AT_ONCE = 50  # instances that one action commands; a page shows as many

_COLOURS = {
    Status.CREATING.value: "info",
    Status.RUNNING.value: "success",
    Status.PAUSED.value: "warning",
    Status.ERROR.value: "danger",
}


class _ReadOnly(ModelAdmin):  # type: ignore[misc] # unfold has no type information
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        # From here on it is known what the caller may do, who might use a limited key.
        request.principal = admit(request, capabilities.INSTANCES_READ)  # type: ignore[attr-defined]
        response: HttpResponse = super().changelist_view(request, extra_context)
        return response


@admin.register(Instance)
class InstanceAdmin(_ReadOnly):
    list_display = (
        "label",
        "state",
        "reason",
        "heartbeat",
        "load",
        "trend",
        "region",
        "backend",
        "since",
    )
    list_display_links = None
    list_filter = (
        "status",
        ("stale_since", admin.EmptyFieldListFilter),
        "is_listed",
        "backend",
        "region",
    )
    search_fields = ("name", "id", "region")
    search_help_text = "part of a name, an id or a region"
    ordering = ("-is_listed", "name", "id")
    list_per_page = MOST_AT_ONCE
    actions = ("pause", "restart", "kill")

    class Media:
        css: ClassVar = {"all": ("css/inspector.css", "css/instances.css")}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Instance]:
        return told_why(super().get_queryset(request))

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """With names of actors and charts, in one query each for all of its rows."""
        listed = super().get_changelist_instance(request)
        rows = listed.result_list
        names = names_of({row.last_actor for row in rows})
        measured = measure([row.pk for row in rows], PERIOD, timezone.now())
        rules = operator_settings.read()
        for number, row in enumerate(rows):
            row.last_actor = names.get(row.last_actor, "")
            row.chart = {
                "spark": cpu_chart(measured[row.pk], PERIOD, rules),
                "key": "row",
                "number": number,
            }
        return listed

    def has_manage_permission(self, request: HttpRequest) -> bool:
        """Whether the actions are offered; each asks again."""
        principal = getattr(request, "principal", None)
        return principal is not None and principal.can(capabilities.INSTANCES_MANAGE)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_manage_permission(request)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The pages of the fleet, for whoever comes by a link of the admin."""
        if address := page_of(object_id) if object_id else reverse("fleet-create"):
            return HttpResponseRedirect(address)
        response: HttpResponse = super().changeform_view(request, object_id, *args, **kwargs)
        return response

    @admin.action(description="Pause", permissions=["manage"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Instance]) -> None:
        self._command(request, queryset, "pause")

    @admin.action(description="Restart", permissions=["manage"])
    def restart(self, request: HttpRequest, queryset: QuerySet[Instance]) -> None:
        self._command(request, queryset, "restart")

    @admin.action(description="Kill", permissions=["manage"])
    def kill(self, request: HttpRequest, queryset: QuerySet[Instance]) -> HttpResponse | None:
        """Asks once more: what is killed does not come back."""
        if request.POST.get("confirmed") == "yes":
            self._command(request, queryset, "kill")
            return None
        chosen = _chosen(request, queryset)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Kill {len(chosen)} instance{'' if len(chosen) == 1 else 's'}?",
            "command": COMMANDS["kill"],
            "instances": chosen,
            "action": "kill",
        }
        return render(request, "instances/confirm.html", context) if chosen else None

    def _command(self, request: HttpRequest, queryset: QuerySet[Instance], name: str) -> None:
        caller = admit(request, capabilities.INSTANCES_MANAGE)
        labels = {row.pk: str(row) for row in _chosen(request, queryset)}
        if labels:
            tell_of(request, COMMANDS[name], labels, actor=caller.actor)

    @admin.display(description="instance", ordering="name")
    def label(self, row: Instance) -> str:
        address = page_of(row.pk)
        return format_html('<a href="{}">{}</a>', address, str(row)) if address else str(row)

    @display(description="status", ordering="status", label=_COLOURS)  # type: ignore[untyped-decorator]
    def state(self, row: Instance) -> str:
        return row.status

    @admin.display(description="why")
    def reason(self, row: Instance) -> str:
        cause, actor = getattr(row, "last_cause", None), getattr(row, "last_actor", None) or ""
        return why_of(row, cause, actor) or "–"

    @admin.display(description="heartbeat", ordering="last_heartbeat")
    def heartbeat(self, row: Instance) -> str:
        beat = row.last_heartbeat
        told = None if beat is None else moment_of(beat, timezone.now())
        return "–" if told is None else f"{told.age} ago"

    @admin.display(description="CPU, memory", ordering="cpu_percent")
    def load(self, row: Instance) -> str:
        health = row.health
        if health is None:
            return "–"
        return f"{health.cpu_percent:.1f} %, {megabytes(health.memory_mb)}"

    @admin.display(description=f"CPU, {PERIOD.words}")
    def trend(self, row: Any) -> str:
        return render_to_string("instances/_trend.html", row.chart)

    @admin.display(description="since", ordering="status_since")
    def since(self, row: Instance) -> str:
        since = moment(row.status_since, timezone.now())
        return format_html('<time datetime="{0}" title="{0}">{1} ago</time>', since.at, since.age)


class _Record(_ReadOnly):
    """What happened to instances, the newest first. Never counted: there may be very many."""

    list_select_related = ("instance",)
    list_display_links = None
    search_fields = ("=instance__id", "=instance__name")
    search_help_text = "an instance's id or name, in full"
    ordering = ("-at", "-id")
    sortable_by = ()
    list_per_page = 50
    paginator = InfinitePaginator
    show_full_result_count = False

    @admin.display(description="instance")
    def whose(self, record: Any) -> str:
        address = page_of(record.instance_id)
        label = str(record.instance)
        return format_html('<a href="{}">{}</a>', address, label) if address else label


@admin.register(StatusChange)
class StatusChangeAdmin(_Record):
    list_display = ("at", "whose", "previous", "status", "cause", "detail", "actor")
    list_filter = ("status", "cause")


@admin.register(RestartAttempt)
class RestartAttemptAdmin(_Record):
    list_display = ("at", "whose", "succeeded", "error")
    list_filter = ("succeeded",)


def _chosen(request: HttpRequest, queryset: QuerySet[Instance]) -> list[Instance]:
    """None of too many, which says so: there is not the time for them in one request."""
    chosen = list(queryset[: MOST_AT_ONCE + 1])
    if len(chosen) <= MOST_AT_ONCE:
        return chosen
    messages.error(request, f"At most {MOST_AT_ONCE} at a time; nothing was done.")
    return []
