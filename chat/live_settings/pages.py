"""What the templates of the settings are given."""

import json
from dataclasses import dataclass
from typing import Any

from django.forms import BoundField
from django.urls import reverse

from accounts.names import name_actors
from chat.live_settings.file import FileStatus, file_status
from chat.live_settings.forms import GroupForm, SecretForm
from chat.live_settings.groups import GROUPS
from chat.live_settings.layers import Layers
from chat.live_settings.secrets import GROUP as SECRETS
from chat.live_settings.secrets import SecretState, secret_states
from chat.models import SettingChange

#: Changes that a page shows, newest first.
SHOWN_CHANGES = 50


@dataclass(frozen=True, slots=True)
class Row:
    """A setting, where its value comes from, and what would count without the database."""

    field: BoundField
    origin: str
    beneath: str  # "" when the value does not come from the database


@dataclass(frozen=True, slots=True)
class Change:
    field: str
    before: str
    after: str
    who: str
    at: str  # RFC 3339


@dataclass(frozen=True, slots=True)
class SecretRow:
    state: SecretState
    form: SecretForm


def index_context(layers: dict[str, Layers]) -> dict[str, Any]:
    groups = [
        {
            "title": title_of(name),
            "says": (GROUPS[name].__doc__ or "").partition("\n")[0],
            "url": reverse("live-settings-group", args=[name]),
            "changed": len(layers[name].database),
        }
        for name in GROUPS
    ]
    return {"title": "Settings", "groups": groups, "file": _file()}


def group_context(name: str, layers: Layers, form: GroupForm) -> dict[str, Any]:
    rows = [
        Row(
            form[field],
            layers.origin(field),
            _shown(layers.beneath[field]) if field in layers.database else "",
        )
        for field in GROUPS[name].model_fields
    ]
    return {
        "title": title_of(name),
        "says": GROUPS[name].__doc__,
        "form": form,
        "rows": rows,
        "changes": _changes(name),
        "file": _file(),
    }


def secrets_context(refused: str = "", form: SecretForm | None = None) -> dict[str, Any]:
    """`refused` is the secret whose form comes back with its complaint."""
    rows = [
        SecretRow(state, form if form is not None and state.name == refused else _form(state.name))
        for state in secret_states()
    ]
    return {"title": "Secrets", "rows": rows, "changes": _changes(SECRETS)}


def title_of(name: str) -> str:
    return name.capitalize()


def _form(name: str) -> SecretForm:
    return SecretForm(auto_id=f"id_{name}_%s")


def _file() -> FileStatus | None:
    status = file_status()
    return status if status.place else None


def _changes(group: str) -> list[Change]:
    newest = list(SettingChange.objects.filter(group=group)[:SHOWN_CHANGES])
    names = name_actors({change.actor for change in newest})
    return [
        Change(
            field=change.field,
            before=_shown(change.before),
            after=_shown(change.after),
            who=names[change.actor],
            at=change.changed_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        )
        for change in newest
    ]


def _shown(value: Any) -> str:
    """Nothing where what lies beneath counts."""
    if value is None:
        return "–"
    return "empty" if value in ("", []) else json.dumps(value, ensure_ascii=False)
