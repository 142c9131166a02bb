"""Triggers in the admin: the forms end in the service that the file ends in, too."""

import json
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from accounts import capabilities
from accounts.permissions import admit
from runs.errors import RunsError
from runs.models import CronTrigger, Trigger, WebhookDelivery, WebhookTrigger
from runs.triggers.deliveries import deliver_again
from runs.triggers.firing import fire_by_hand
from runs.triggers.forms import CronForm, TriggerForm, WebhookForm
from runs.triggers.storing import store_trigger


class TriggerAdmin(ModelAdmin):  # type: ignore[misc] # unfold has no type information
    """Triggers from the file are shown and changed there; none is deleted, its log would go."""

    list_filter = ("is_enabled", "source")
    search_fields = ("trigger_id",)
    ordering = ("trigger_id",)
    further: tuple[str, ...] = ()  # fields of the form that no column has
    record: tuple[str, ...] = ("kind", "source", "last_fired_at", "last_run", "last_error")

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "POST":
            admit(request, capabilities.SETTINGS_MANAGE)
        try:
            response: HttpResponse = super().changeform_view(request, *args, **kwargs)
            return response
        except RunsError as error:  # since the form was checked, somebody else was quicker
            messages.error(request, str(error))
            return HttpResponseRedirect(request.get_full_path())

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        further = self.further if self.has_change_permission(request, obj) else ()
        return (*self.form.Meta.fields, *further, *(self.record if obj else ()))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("trigger_id", *self.record) if obj else ()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if obj is not None and obj.source == Trigger.Source.FILE:
            return False
        allowed: bool = super().has_change_permission(request, obj)
        return allowed

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: TriggerForm, change: bool) -> None:
        values = form.cleaned_data
        stored = store_trigger(
            form.definition,
            actor=str(request.user.pk),
            secret=values.get("new_secret", ""),
            keeps_previous_secret=values.get("keep_previous_secret", True),
        )
        obj.__dict__.update(stored.__dict__)

    @admin.display(description="last run")
    def last_run(self, trigger: Trigger) -> str:
        return _run_link(trigger.last_run_id)


@admin.register(CronTrigger)
class CronTriggerAdmin(TriggerAdmin):
    form = CronForm
    list_display = (
        "trigger_id",
        "cron_expression",
        "tz",
        "graph_id",
        "is_enabled",
        "next_fire_at",
        "last_run",
        "last_error",
    )
    record = ("next_fire_at", *TriggerAdmin.record)
    actions = ("fire_now",)

    @admin.action(description="Fire now", permissions=["view"])
    def fire_now(self, request: HttpRequest, queryset: QuerySet[CronTrigger]) -> None:
        caller = admit(request, capabilities.SETTINGS_MANAGE)
        for trigger in queryset:
            try:
                started = fire_by_hand(trigger, caller=caller)
            except RunsError as error:
                messages.error(request, f"{trigger}: {error}.")
            else:
                messages.success(request, f"{trigger} started {started.run_id}.")


@admin.register(WebhookTrigger)
class WebhookTriggerAdmin(TriggerAdmin):
    form = WebhookForm
    list_display = (
        "trigger_id",
        "address",
        "scheme",
        "graph_id",
        "is_enabled",
        "last_fired_at",
        "last_run",
        "last_error",
    )
    further = ("new_secret", "keep_previous_secret")
    record = ("secrets", *TriggerAdmin.record)

    @admin.display(description="path")
    def address(self, trigger: WebhookTrigger) -> str:
        return f"/hooks/{trigger.path}"

    @admin.display(description="secrets")
    def secrets(self, trigger: WebhookTrigger) -> str:
        """Which there are; never what they are."""
        current = trigger.current_secret_env or "entered here"
        previous = trigger.previous_secret_env or (
            "entered here" if trigger.previous_secret_sealed else "none"
        )
        return f"current: {current}; previous: {previous}"


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ModelAdmin):  # type: ignore[misc] # unfold has no type information
    list_display = ("received_at", "trigger", "status", "code", "run", "size", "remote_address")
    list_filter = ("trigger", "code")
    list_select_related = ("trigger",)
    search_fields = ("=trigger__trigger_id", "=run_id", "=idempotency_key", "=body_hash")
    search_help_text = "a trigger's id, a run id, an idempotency key or a body's hash, in full"
    sortable_by = ()
    list_per_page = 50
    paginator = InfinitePaginator
    show_full_result_count = False
    actions = ("deliver_again",)
    fields = (
        "received_at",
        "trigger",
        "status",
        "code",
        "detail",
        "run",
        "idempotency_key",
        "body_hash",
        "size",
        "event",
        "remote_address",
        "actor",
        "repeats",
        "kept_body",
    )
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    @admin.action(description="Deliver again", permissions=["view"])
    def deliver_again(self, request: HttpRequest, queryset: QuerySet[WebhookDelivery]) -> None:
        caller = admit(request, capabilities.SETTINGS_MANAGE)
        for delivery in queryset.order_by("received_at", "id"):
            try:
                again = deliver_again(delivery.pk, actor=caller.actor)
            except RunsError as error:
                messages.error(request, f"Not delivered: {error}.")
                continue
            if again.run_id:
                messages.success(request, f"Delivered {delivery.pk} again: {again.run_id}.")
            else:
                messages.error(request, f"Delivered {delivery.pk} again: {again.detail}.")

    @admin.display(description="run")
    def run(self, delivery: WebhookDelivery) -> str:
        return _run_link(delivery.run_id)

    @admin.display(description="body, without secrets")
    def kept_body(self, delivery: WebhookDelivery) -> str:
        if not delivery.body:
            return "not kept"
        return format_html("<pre>{}</pre>", json.dumps(json.loads(delivery.body), indent=2))


def _run_link(run_id: str) -> str:
    if not run_id:
        return "–"
    address = reverse("admin:runs_run_change", args=[run_id])
    return format_html('<a href="{}">{}</a>', address, run_id)
