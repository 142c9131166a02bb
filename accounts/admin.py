"""Users and keys can be managed here, through the services; the audit trail can be read."""

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm
from unfold.paginator import InfinitePaginator
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from accounts import capabilities
from accounts.audit.records import KINDS, timestamp_of
from accounts.errors import AccountsError
from accounts.models import ApiKey, AuditRecord, User
from accounts.services import api_keys, users
from accounts.views import AdminLoginView, set_own_password
from project.lib.db import write_transaction

admin.site.unregister(Group)  # roles say who may do what
admin.site.login = AdminLoginView.as_view()  # type: ignore[method-assign, assignment]
admin.site.password_change = set_own_password  # type: ignore[method-assign, assignment]


class ThroughServices(ModelAdmin):  # type: ignore[misc] # unfold has no type information
    """Forms that end in a service call: its refusal is shown, and nothing has happened."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method != "POST":
            return self._form(request, *args, **kwargs)
        try:
            with write_transaction():
                return self._form(request, *args, **kwargs)
        except AccountsError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(request.get_full_path())

    def _form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = super().changeform_view(request, *args, **kwargs)
        return response

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(User)
class UserAdmin(ThroughServices, DjangoUserAdmin):  # type: ignore[type-arg] # a stub alone
    change_password_form = AdminPasswordChangeForm
    list_display = ("__str__", "email", "role", "is_active", "created_at")
    list_filter = ("role", "is_active")
    search_fields = ("email", "display_name", "=id")
    ordering = ("created_at",)
    filter_horizontal = ()
    form = forms.ModelForm
    add_form = forms.ModelForm
    fieldsets = (
        (None, {"fields": ("email", "display_name", "role", "is_active", "filesystem_enabled")}),
        ("Record", {"fields": ("id", "created_at", "updated_at", "last_login")}),
    )
    add_fieldsets = (
        (
            None,
            {
                "fields": ("email", "display_name", "role", "filesystem_enabled"),
                "description": "Then set a password, or issue an API key, for them to log in with.",
            },
        ),
    )
    readonly_fields = ("id", "created_at", "updated_at", "last_login")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        values = form.cleaned_data
        if not change:
            saved = users.create_user(actor=_actor(request), **values)
        else:
            wanted = {name: values[name] for name in form.changed_data}
            if "email" in wanted:
                wanted["email"] = wanted["email"] or ""
            saved = users.update_user(
                user_id=obj.pk, actor=_actor(request), changes=users.UserChanges(**wanted)
            )
        obj.__dict__.update(saved.__dict__)

    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        with write_transaction():
            response: HttpResponse = super().user_change_password(request, id, form_url)
            if request.method == "POST" and response.status_code == 302:
                users.record_password_set(user_id=id, actor=_actor(request))
        return response


class ApiKeyForm(forms.ModelForm):  # type: ignore[type-arg] # generic in the stubs alone
    capabilities = forms.MultipleChoiceField(
        choices=[(name, name) for name in sorted(capabilities.ALL)],
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="What the key is limited to. None ticked: all that its owner may do.",
    )

    class Meta:
        model = ApiKey
        fields = ("user", "label", "capabilities", "expires_at", "spending_limit_usd")


@admin.register(ApiKey)
class ApiKeyAdmin(ThroughServices):
    form = ApiKeyForm
    list_display = (
        "prefix",
        "label",
        "user",
        "limited_to",
        "created_at",
        "expires_at",
        "last_used_at",
        "revoked_at",
    )
    list_select_related = ("user",)
    search_fields = ("=prefix", "=id", "label", "user__email")
    ordering = ("-created_at",)
    autocomplete_fields = ("user",)
    actions = ("revoke",)
    fields = ApiKeyForm.Meta.fields

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if obj is None else self.list_display

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False  # a key is issued and revoked, nothing between

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        values = dict(form.cleaned_data)
        issued = api_keys.issue_key(
            user_id=values["user"].pk,
            actor=_actor(request),
            label=values["label"],
            limited_to=values["capabilities"] or None,
            expires_at=values["expires_at"],
            spending_limit_usd=values["spending_limit_usd"],
        )
        obj.__dict__.update(issued.key.__dict__)
        obj.issued_secret = issued.secret

    def response_add(self, request: HttpRequest, obj: Any, *args: Any) -> HttpResponse:
        """Shows the secret in this one answer: a message would lie in a cookie for a while."""
        context = {"key": obj, "secret": obj.issued_secret}
        response = render(request, "accounts/key_issued.html", context)
        response.headers["Cache-Control"] = "no-store"
        return response

    @admin.action(description="Revoke the selected keys")
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset:
            api_keys.revoke_key(key_id=key.pk, actor=_actor(request))
        messages.success(request, f"Revoked: {', '.join(key.prefix for key in queryset)}")

    @admin.display(description="limited to")
    def limited_to(self, key: ApiKey) -> str:
        return "all of the owner's" if key.capabilities is None else ", ".join(key.capabilities)


class KindFilter(admin.SimpleListFilter):
    """By the kinds there can be: asking the table which it has would read all of it."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(kind, kind) for kind in KINDS]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[AuditRecord]
    ) -> QuerySet[AuditRecord]:
        return queryset.filter(fact_kind=self.value()) if self.value() else queryset


@admin.register(AuditRecord)
class AuditRecordAdmin(ModelAdmin):  # type: ignore[misc] # unfold has no type information
    list_display = ("seq", "moment", "fact_kind", "actor", "route", "run_id")
    list_filter = (KindFilter,)
    search_fields = ("=actor", "=run_id")
    search_help_text = "an actor or a run id, in full"
    ordering = ("-ts", "-seq")
    sortable_by = ()
    list_per_page = 50
    paginator = InfinitePaginator
    show_full_result_count = False
    fields = ("seq", "moment", "fact_kind", "actor", "run_id", "pack_id", "pretty", "links")
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    @admin.display(description="time (UTC)")
    def moment(self, record: AuditRecord) -> str:
        return timestamp_of(record.ts)

    @admin.display(description="route")
    def route(self, record: AuditRecord) -> str:
        return str(record.event["fact"].get("route", ""))

    @admin.display(description="record")
    def pretty(self, record: AuditRecord) -> str:
        return format_html("<pre>{}</pre>", json.dumps(record.event, indent=2))

    @admin.display(description="hash and its predecessor's")
    def links(self, record: AuditRecord) -> str:
        return f"{bytes(record.hash).hex()} ← {bytes(record.prev_hash).hex()}"


def _actor(request: HttpRequest) -> str:
    return str(request.user.pk)
