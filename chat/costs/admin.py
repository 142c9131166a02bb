"""Limits and costs in the admin."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from unfold.admin import ModelAdmin

from accounts.models import User
from chat.costs import setting
from chat.costs.report import DEFAULT_PERIOD, PERIODS, costs_of
from chat.models import SpendingLimit
from project.lib.db import write_transaction


class SpendingLimitForm(forms.ModelForm):  # type: ignore[type-arg] # generic in the stubs alone
    class Meta:
        model = SpendingLimit
        fields = ("user", "period", "limit_usd")
        help_texts = {
            "user": "Nobody chosen: everybody who has no limit of their own for that period.",
            "period": "Days and months begin at midnight UTC.",
            "limit_usd": "Reached, no model is called any more, not even by runs under way.",
        }

    def clean_limit_usd(self) -> Any:
        limit = self.cleaned_data["limit_usd"]
        if limit < 0:
            raise forms.ValidationError("A limit cannot be negative.")
        return limit

    def clean(self) -> dict[str, Any]:
        """The database's constraint would let no second one in; this says so in the form."""
        values: dict[str, Any] = super().clean() or {}
        twin = SpendingLimit.objects.filter(user=values.get("user"), period=values.get("period"))
        if twin.exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError("There is a limit for that user and period already.")
        return values


@admin.register(SpendingLimit)
class SpendingLimitAdmin(ModelAdmin):  # type: ignore[misc] # unfold has no type information
    """What users may spend. Limits of keys are on the keys."""

    form = SpendingLimitForm
    list_display = ("whose", "period", "limit_usd")
    list_filter = ("period",)
    list_select_related = ("user",)
    search_fields = ("user__email", "user__display_name", "=user__id")
    autocomplete_fields = ("user",)

    @admin.display(description="user")
    def whose(self, limit: SpendingLimit) -> str:
        return str(limit.user) if limit.user is not None else "everybody"

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("user", "period") if obj is not None else ()

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        with write_transaction():
            response: HttpResponse = super().changeform_view(request, *args, **kwargs)
            return response

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        saved = setting.set_limit(
            actor=str(request.user.pk),
            user_id=obj.user_id,
            period=obj.period,
            limit_usd=obj.limit_usd,
        )
        obj.__dict__.update(saved.__dict__)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        setting.remove_limit(obj, actor=str(request.user.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[SpendingLimit]) -> None:
        for limit in queryset:
            setting.remove_limit(limit, actor=str(request.user.pk))


def costs_page(request: HttpRequest) -> HttpResponse:
    """What was spent, as tables. Wrapped by the admin, which lets administrators in alone."""
    period = request.GET.get("period", DEFAULT_PERIOD)
    if period not in PERIODS:
        period = DEFAULT_PERIOD
    costs = costs_of(period, now=timezone.now())
    shown = [entry["user_id"] for entry in costs["by_user"]]
    names = {user.pk: str(user) for user in User.objects.filter(pk__in=shown)}
    for entry in costs["by_user"]:
        entry["name"] = names.get(entry["user_id"], entry["user_id"])
    context = {
        **admin.site.each_context(request),
        "title": "Costs",
        "period": period,
        "periods": list(PERIODS),
        "costs": costs,
        "groups": [
            ("By user", "User", [(entry["name"], entry) for entry in costs["by_user"]]),
            ("By model", "Model", [(entry["model"] or "—", entry) for entry in costs["by_model"]]),
            ("By source", "Source", [(entry["source"], entry) for entry in costs["by_source"]]),
        ],
    }
    return render(request, "admin/chat/costs.html", context)
