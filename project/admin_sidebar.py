"""The sidebar of the admin: what waits for people, the settings, then the models of each app."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse, reverse_lazy

from runs.services.approvals import count_waiting

_TITLES = {"GraphVersion": "Graphs"}  # its pages are of graphs, not of rows
_SETTINGS = {"title": "Settings", "icon": "tune", "link": reverse_lazy("live-settings")}
MOST_SHOWN = 99  # of what waits: the sidebar is on every page


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Groups of links, as unfold takes them. Called for those who may use the admin."""
    own: list[dict[str, Any]] = [_approvals(), _costs(), _SETTINGS]
    return [{"items": own}, *map(_group_of, admin.site.get_app_list(request))]


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


def _costs() -> dict[str, Any]:
    return {"title": "Costs", "icon": "payments", "link": reverse("costs")}


def _group_of(app: dict[str, Any]) -> dict[str, Any]:
    links = [
        {"title": _TITLES.get(model["object_name"], model["name"]), "link": model["admin_url"]}
        for model in app["models"]
        if model["admin_url"]
    ]
    return {"title": app["name"], "items": links, "separator": True}
