"""Settings in the admin: every change goes through the services that the API calls."""

from typing import Any

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import capabilities
from accounts.permissions import admit
from accounts.principals import Principal
from chat.errors import ChangedMeanwhile, OutOfRange
from chat.live_settings.forms import GroupForm, SecretForm
from chat.live_settings.groups import GROUPS, Group
from chat.live_settings.layers import Layers
from chat.live_settings.pages import group_context, index_context, secrets_context
from chat.live_settings.reading import read_layers
from chat.live_settings.secrets import NAMES, remove_secret, set_secret
from chat.live_settings.writing import change_settings, reset_settings
from chat.models import SettingGroup


@require_safe
def settings_index(request: HttpRequest) -> HttpResponse:
    _admit(request)
    return _render(request, "live_settings/index.html", index_context(read_layers()))


@require_http_methods(["GET", "HEAD", "POST"])
def settings_group(request: HttpRequest, group: str) -> HttpResponse:
    caller = _admit(request)
    kind = _kind(group)
    layers, revision = _read(group)
    if request.method != "POST":
        return _page(request, group, layers, GroupForm(kind, layers, revision))
    form = GroupForm(kind, layers, revision, request.POST)
    if not form.is_valid():
        return _page(request, group, layers, form, status=400)
    try:
        changed = change_settings(
            kind, form.values, actor=caller.actor, revision=form.cleaned_data["revision"]
        )
    except OutOfRange as error:
        form.add_refusal(error)
        return _page(request, group, layers, form, status=400)
    except ChangedMeanwhile as error:
        messages.error(request, f"Not changed. {error}.")
    else:
        said = f"Changed {', '.join(changed)}." if changed else "Nothing changed."
        messages.success(request, said)
    return HttpResponseRedirect(reverse("live-settings-group", args=[group]))


@require_POST
def reset_setting(request: HttpRequest, group: str) -> HttpResponse:
    caller = _admit(request)
    kind, name = _kind(group), request.POST.get("field", "")
    try:
        changed = reset_settings(kind, [name], actor=caller.actor)
    except OutOfRange as error:
        messages.error(request, f"Not reset: {error}.")
    else:
        if changed:
            messages.success(request, f"{name} is what lies beneath again.")
    return HttpResponseRedirect(reverse("live-settings-group", args=[group]))


@require_http_methods(["GET", "HEAD", "POST"])
def settings_secrets(request: HttpRequest) -> HttpResponse:
    caller = _admit(request)
    if request.method != "POST":
        return _render(request, "live_settings/secrets.html", secrets_context())
    name = request.POST.get("name", "")
    if name not in NAMES:
        raise Http404("there is no such secret")
    form = SecretForm(request.POST, auto_id=f"id_{name}_%s")
    if form.is_valid():
        try:
            set_secret(name, form.cleaned_data["value"], actor=caller.actor)
        except OutOfRange as error:
            form.add_error("value", str(error))
        else:
            messages.success(request, f"{name} is set.")
            return HttpResponseRedirect(reverse("live-settings-secrets"))
    context = secrets_context(refused=name, form=form)
    return _render(request, "live_settings/secrets.html", context, status=400)


@require_POST
def forget_secret(request: HttpRequest) -> HttpResponse:
    caller = _admit(request)
    name = request.POST.get("name", "")
    if name not in NAMES:
        raise Http404("there is no such secret")
    remove_secret(name, actor=caller.actor)
    messages.success(request, f"{name} is removed.")
    return HttpResponseRedirect(reverse("live-settings-secrets"))


def _admit(request: HttpRequest) -> Principal:
    return admit(request, capabilities.SETTINGS_MANAGE)


def _kind(group: str) -> type[Group]:
    if group not in GROUPS:
        raise Http404("there is no such group of settings")
    return GROUPS[group]


def _read(group: str) -> tuple[Layers, int]:
    """The revision first: a change in between makes it old, and is not overwritten."""
    revision = SettingGroup.objects.filter(pk=group).values_list("revision", flat=True).first()
    return read_layers()[group], revision or 0


def _page(
    request: HttpRequest, group: str, layers: Layers, form: GroupForm, *, status: int = 200
) -> HttpResponse:
    context = {"group": group, **group_context(group, layers, form)}
    return _render(request, "live_settings/group.html", context, status=status)


def _render(
    request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    surroundings = admin.site.each_context(request)
    return render(request, template, {**surroundings, **context}, status=status)
