"""The fleet and its instances, as pages of the admin. Commands end in the fleet's services."""

from typing import Any

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import capabilities
from accounts.principals import Principal
from instances.backends import is_configured
from instances.errors import InstancesError
from instances.pages import commands
from instances.pages.access import opens_to
from instances.pages.commands import COMMANDS
from instances.pages.fleet import fleet_context
from instances.pages.forms import NewInstanceForm
from instances.pages.instance import find_instance, instance_context
from instances.pages.under_way import GOES_ON


@require_safe
@opens_to(capabilities.INSTANCES_READ)
def fleet_page(request: HttpRequest, caller: Principal) -> HttpResponse:
    may_create = caller.can(capabilities.INSTANCES_MANAGE) and is_configured()
    context = {"title": "Fleet", "may_create": may_create, **fleet_context()}
    return _page(request, "instances/fleet.html", context)


@require_safe
@opens_to(capabilities.INSTANCES_READ)
def fleet_fragment(request: HttpRequest, caller: Principal) -> HttpResponse:
    """What of the fleet page changes, for one that is open."""
    return render(request, "instances/_fleet.html", fleet_context())


@require_POST
@opens_to(capabilities.INSTANCES_READ)
def look_again(request: HttpRequest, caller: Principal) -> HttpResponse:
    """Ask the backend now, and not when the monitor does."""
    try:
        count = commands.look()
    except InstancesError as error:
        messages.error(request, f"The backend was asked in vain: {error}.")
    else:
        messages.success(request, f"The backend has {count} instance{'' if count == 1 else 's'}.")
    return HttpResponseRedirect(reverse("fleet"))


@require_http_methods(["GET", "HEAD", "POST"])
@opens_to(capabilities.INSTANCES_MANAGE)
def create_page(request: HttpRequest, caller: Principal) -> HttpResponse:
    form = NewInstanceForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        wanted = {field: value or None for field, value in form.cleaned_data.items()}
        try:
            made = commands.create(actor=caller.actor, **wanted)
        except InstancesError as error:
            messages.error(request, f"Not created: {error}.")
        else:
            messages.success(request, f"Created {made.name or made.id}.")
            return HttpResponseRedirect(reverse("fleet"))
    context = {"title": "New instance", "form": form, "is_configured": is_configured()}
    return _page(request, "instances/create.html", context)


@require_safe
@opens_to(capabilities.INSTANCES_READ)
def instance_page(request: HttpRequest, caller: Principal, instance_id: str) -> HttpResponse:
    context = instance_context(caller, find_instance(instance_id), request.GET.get("period", ""))
    return _page(request, "instances/instance.html", context)


@require_safe
@opens_to(capabilities.INSTANCES_READ)
def instance_fragment(request: HttpRequest, caller: Principal, instance_id: str) -> HttpResponse:
    context = instance_context(caller, find_instance(instance_id), request.GET.get("period", ""))
    return render(request, "instances/_instance.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@opens_to(capabilities.INSTANCES_MANAGE)
def command_page(
    request: HttpRequest, caller: Principal, instance_id: str, name: str
) -> HttpResponse:
    """GET asks once more, POST does it."""
    command = COMMANDS.get(name)
    if command is None:
        raise Http404("there is no such command")
    row = find_instance(instance_id)
    if request.method != "POST":
        context = {"title": f"{command.label} {row}?", "command": command, "instances": [row]}
        return _page(request, "instances/confirm.html", context)
    tell_of(request, command, {row.pk: str(row)}, actor=caller.actor)
    return HttpResponseRedirect(reverse("fleet-instance", args=[row.pk]))


def tell_of(
    request: HttpRequest, command: commands.Command, labels: dict[str, str], *, actor: str
) -> None:
    """Give a command to instances, named by their ids, and say of each what became of it."""
    try:
        failures = commands.give(command, list(labels), actor=actor)
    except InstancesError as error:
        failures = dict.fromkeys(labels, str(error))
    for instance_id, failure in failures.items():
        if failure == GOES_ON:
            messages.warning(request, f"{labels[instance_id]}: {GOES_ON}.")
        elif failure:
            messages.error(
                request, f"{labels[instance_id]}: not {command.done.lower()}: {failure}."
            )
        else:
            messages.success(request, f"{command.done} {labels[instance_id]}.")


def _page(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    surroundings = admin.site.each_context(request)
    # The sidebar is for administrators, and cannot be drawn for a key, which has no name.
    surroundings["is_nav_sidebar_enabled"] = surroundings["has_permission"]
    return render(request, template, {**surroundings, **context})
