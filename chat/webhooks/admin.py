"""Outgoing webhooks in the admin: the same services that the routes call."""

import json
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from accounts import capabilities
from accounts.permissions import admit
from chat.errors import ChatError
from chat.models import WebhookDelivery, WebhookEndpoint
from chat.webhooks import endpoints
from chat.webhooks.definitions import EndpointChanges
from chat.webhooks.endpoints import Issued
from chat.webhooks.forms import EndpointForm
from chat.webhooks.log import redeliver

_NOTHING = "–"


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ModelAdmin):  # type: ignore[misc] # unfold has no type information
    form = EndpointForm
    list_display = ("__str__", "url", "subscribed", "hears_of", "is_enabled", "health", "log")
    list_filter = ("is_enabled",)
    search_fields = ("description", "url", "=id", "=owner")
    ordering = ("created_at", "id")
    actions = ("send_test", "rotate_secret", "enable", "disable")
    record: tuple[str, ...] = (
        "health",
        "disabled_reason",
        "failing_since",
        "previous_secret_until",
        "active_since",
        "created_at",
        "created_by",
        "log",
    )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (*self.form.Meta.fields, *(self.record if obj else ()))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("owner", *self.record) if obj else ()

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "POST":
            admit(request, capabilities.SETTINGS_MANAGE)
        try:
            response: HttpResponse = super().changeform_view(request, *args, **kwargs)
            return response
        except ChatError as error:  # since the form was checked, somebody else was quicker
            messages.error(request, str(error))
            return HttpResponseRedirect(request.get_full_path())

    def save_model(self, request: HttpRequest, obj: Any, form: EndpointForm, change: bool) -> None:
        actor = str(request.user.pk)
        if change:
            saved = endpoints.update_endpoint(obj.pk, form.wanted, actor=actor)
        else:
            owner = form.cleaned_data["owner"]
            obj.issued = endpoints.create_endpoint(form.wanted, owner=owner, actor=actor)
            saved = obj.issued.endpoint
        obj.__dict__.update(saved.__dict__)

    def response_add(self, request: HttpRequest, obj: Any, *args: Any) -> HttpResponse:
        return _shown_once(request, obj.issued)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        """The log goes with its endpoint, although nobody may delete from it."""
        shown, counts, _, protected = super().get_deleted_objects(objs, request)
        return shown, counts, set(), protected

    def delete_model(self, request: HttpRequest, obj: WebhookEndpoint) -> None:
        admit(request, capabilities.SETTINGS_MANAGE)
        endpoints.delete_endpoint(obj.pk, actor=str(request.user.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]) -> None:
        for endpoint in queryset:
            self.delete_model(request, endpoint)

    @admin.action(description="Send a test", permissions=["view"])
    def send_test(self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]) -> None:
        caller = admit(request, capabilities.SETTINGS_MANAGE)
        for endpoint in queryset:
            try:
                endpoints.request_test(endpoint.pk, actor=caller.actor)
            except ChatError as error:
                messages.error(request, f"{endpoint}: {error}.")
            else:
                messages.success(request, f"{endpoint}: a test is on its way; see its deliveries.")

    @admin.action(description="Rotate the secret of the selected one", permissions=["view"])
    def rotate_secret(
        self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]
    ) -> HttpResponse | None:
        caller = admit(request, capabilities.SETTINGS_MANAGE)
        if len(queryset) != 1:
            messages.error(request, "Select one: its new secret is shown once.")
            return None
        return _shown_once(request, endpoints.rotate_secret(queryset[0].pk, actor=caller.actor))

    @admin.action(description="Enable", permissions=["view"])
    def enable(self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]) -> None:
        self._switch(request, queryset, is_on=True)

    @admin.action(description="Disable", permissions=["view"])
    def disable(self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]) -> None:
        self._switch(request, queryset, is_on=False)

    def _switch(
        self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint], *, is_on: bool
    ) -> None:
        caller = admit(request, capabilities.SETTINGS_MANAGE)
        for endpoint in queryset:
            changes = EndpointChanges(enabled=is_on)
            endpoints.update_endpoint(endpoint.pk, changes, actor=caller.actor)
            messages.success(request, f"{endpoint} is {'enabled' if is_on else 'disabled'}.")

    @admin.display(description="events")
    def subscribed(self, endpoint: WebhookEndpoint) -> str:
        return ", ".join(endpoint.events)

    @admin.display(description="hears of", ordering="owner")
    def hears_of(self, endpoint: WebhookEndpoint) -> str:
        return endpoint.owner or "everything"

    @admin.display(description="health")
    def health(self, endpoint: WebhookEndpoint) -> str:
        failures = endpoint.consecutive_failures
        return f"{failures} failed attempts in a row" if failures else "good"

    @admin.display(description="log")
    def log(self, endpoint: WebhookEndpoint) -> str:
        address = reverse("admin:chat_webhookdelivery_changelist")
        return format_html(
            '<a href="{}?endpoint__id__exact={}">Deliveries</a>', address, endpoint.pk
        )


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ModelAdmin):  # type: ignore[misc] # unfold has no type information
    list_display = ("created_at", "endpoint", "event", "state", "tries", "last", "next_attempt_at")
    list_filter = ("state", ("endpoint", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("endpoint", "message")
    search_fields = ("=id", "=message__id", "=message__run_id")
    search_help_text = "a delivery's, a message's or a run's id, in full"
    ordering = ("-created_at", "-id")
    sortable_by = ()
    list_per_page = 50
    paginator = InfinitePaginator
    show_full_result_count = False
    actions = ("deliver_again",)
    fields = (
        "created_at",
        "endpoint",
        "message",
        "run",
        "state",
        "tries",
        "next_attempt_at",
        "settled_at",
        "payload",
        "attempts_made",
    )
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookDelivery]:
        found: QuerySet[WebhookDelivery] = super().get_queryset(request)
        return found.prefetch_related("attempts")

    @admin.action(description="Deliver again", permissions=["view"])
    def deliver_again(self, request: HttpRequest, queryset: QuerySet[WebhookDelivery]) -> None:
        caller = admit(request, capabilities.SETTINGS_MANAGE)
        for delivery in queryset:
            try:
                redeliver(delivery.endpoint_id, delivery.pk, actor=caller.actor)
            except ChatError as error:
                messages.error(request, f"{delivery.message}: {error}.")
            else:
                messages.success(request, f"{delivery.message} is on its way again.")

    @admin.display(description="event")
    def event(self, delivery: WebhookDelivery) -> str:
        return delivery.message.type

    @admin.display(description="last attempt")
    def last(self, delivery: WebhookDelivery) -> str:
        attempts = list(delivery.attempts.all())
        return _outcome(attempts[-1]) if attempts else _NOTHING

    @admin.display(description="run")
    def run(self, delivery: WebhookDelivery) -> str:
        run_id = delivery.message.run_id
        if not run_id:
            return _NOTHING
        address = reverse("admin:runs_run_change", args=[run_id])
        return format_html('<a href="{}">{}</a>', address, run_id)

    @admin.display(description="payload")
    def payload(self, delivery: WebhookDelivery) -> str:
        content = json.loads(delivery.message.body)
        return format_html("<pre>{}</pre>", json.dumps(content, indent=2))

    @admin.display(description="attempts")
    def attempts_made(self, delivery: WebhookDelivery) -> str:
        return (
            format_html_join(
                "",
                "<p>{} · {} ms · {}</p><pre>{}</pre>",
                (
                    (f"{attempt.at:%Y-%m-%d %H:%M:%S} UTC", attempt.duration_ms, *_shown(attempt))
                    for attempt in delivery.attempts.all()
                ),
            )
            or _NOTHING
        )


def _shown(attempt: Any) -> tuple[str, str]:
    return _outcome(attempt), attempt.response


def _outcome(attempt: Any) -> str:
    return attempt.error or f"answered {attempt.status}"


def _shown_once(request: HttpRequest, issued: Issued) -> HttpResponse:
    """The secret in this one answer: a message would lie in the session for a while."""
    context = {"endpoint": issued.endpoint, "secret": issued.secret}
    response = render(request, "webhooks/secret_issued.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response
