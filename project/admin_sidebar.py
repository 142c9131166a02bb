"""The sidebar of the admin: what waits for people, the settings, then the models of each app."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse, reverse_lazy

from instances.backends import is_configured
from instances.models import Instance
from instances.objects import Status
from runs.services.approvals import count_waiting

_TITLES = {"GraphVersion": "Graphs"}  # its pages are of graphs, not of rows
_SETTINGS = {"title": "Settings", "icon": "tune", "link": reverse_lazy("live-settings")}
MOST_SHOWN = 99  # of what waits: the sidebar is on every page


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Groups of links, as unfold takes them. Called for those who may use the admin."""
    apps = admin.site.get_app_list(request)
    own: list[dict[str, Any]] = [_approvals(), _costs(), _SETTINGS]
    if is_configured() or Instance.objects.exists():
        own.insert(1, _fleet())
    else:
        apps = [app for app in apps if app["app_label"] != "instances"]
    return [{"items": own}, *map(_group_of, apps)]


def _approvals() -> dict[str, Any]:
    item: dict[str, Any] = {
        "title": "Approvals",
        "icon": "how_to_reg",
        "link": reverse("approvals"),
    }
    if waiting := count_waiting(at_most=MOST_SHOWN + 1):
        shown = f"{MOST_SHOWN}+" if waiting > MOST_SHOWN else waiting
        item |= {"badge": shown, "badge_variant": "primary"}
    return item


def _fleet() -> dict[str, Any]:
    item: dict[str, Any] = {"title": "Fleet", "icon": "dns", "link": reverse("fleet")}
    ailing = Instance.objects.filter(is_listed=True, status=Status.ERROR.value)
    if count := ailing[: MOST_SHOWN + 1].count():
        shown = f"{MOST_SHOWN}+" if count > MOST_SHOWN else count
        item |= {"badge": shown, "badge_variant": "danger"}
    return item


def _costs() -> dict[str, Any]:
    return {"title": "Costs", "icon": "payments", "link": reverse("costs")}


def _group_of(app: dict[str, Any]) -> dict[str, Any]:
    links = [
        {"title": _TITLES.get(model["object_name"], model["name"]), "link": model["admin_url"]}
        for model in app["models"]
        if model["admin_url"]
    ]
    return {"title": app["name"], "items": links, "separator": True}
