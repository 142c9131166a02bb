"""Where each value comes from: database over file over environment over default."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from django.conf import settings
from pydantic import ValidationError

from chat.live_settings.groups import GROUPS, Group
from runs.errors import ModelNotFound
from runs.providers.registry import parse_model_name

Origin = Literal["default", "environment", "file", "database"]
#: Values of one group as JSON has them.
Values = Mapping[str, Any]

GroupT = TypeVar("GroupT", bound=Group)

NAMES: dict[type[Group], str] = {kind: name for name, kind in GROUPS.items()}

#: The fields of Providers, and the settings they take the place of.
PROVIDER_ADDRESSES = {
    "openai_base_url": "OPENAI_BASE_URL",
    "anthropic_base_url": "ANTHROPIC_BASE_URL",
    "google_base_url": "GOOGLE_GEMINI_BASE_URL",
    "openrouter_base_url": "OPENROUTER_BASE_URL",
    "ollama_base_url": "OLLAMA_BASE_URL",
}
#: The same of Instances.
INSTANCE_SETTINGS = {
    "poll_seconds": "STARPORT_INSTANCE_POLL_SECONDS",
    "heartbeat_timeout": "STARPORT_INSTANCE_HEARTBEAT_TIMEOUT",
}


@dataclass(frozen=True, slots=True)
class Layers:
    """What each source says of one group; a source holds only what was set there."""

    defaults: Values
    environment: Values = field(default_factory=dict)
    file: Values = field(default_factory=dict)
    database: Values = field(default_factory=dict)

    @property
    def beneath(self) -> dict[str, Any]:
        """What counts where the database says nothing."""
        return {**self.defaults, **self.environment, **self.file}

    @property
    def merged(self) -> dict[str, Any]:
        return {**self.beneath, **self.database}

    def origin(self, name: str) -> Origin:
        if name in self.database:
            return "database"
        if name in self.file:
            return "file"
        return "environment" if name in self.environment else "default"


def as_json(group: Group) -> dict[str, Any]:
    return group.model_dump(mode="json")


def validated(kind: type[GroupT], values: Values) -> GroupT:
    """Raises pydantic's `ValidationError`. Types must be right: "5" is no number."""
    return kind.model_validate_json(json.dumps(values), strict=True)


def layers_of(name: str, *, file: Values, database: Values) -> Layers:
    return Layers(as_json(GROUPS[name]()), environment_values(name), file, database)


def environment_values(name: str) -> dict[str, Any]:
    """What the process's environment says of a group, as far as it is usable."""
    if name == "general":
        return _usable(name, _models_of_the_environment())
    if name == "providers":
        said = {
            field_name: str(getattr(settings, setting))
            for field_name, setting in PROVIDER_ADDRESSES.items()
        }
        ollama = said["ollama_base_url"]
        if ollama and "://" not in ollama:  # OLLAMA_HOST may be a bare `host:port`
            said["ollama_base_url"] = f"http://{ollama}"
        return _usable(name, {key: value for key, value in said.items() if value})
    if name == "instances":
        numbers = {key: getattr(settings, setting) for key, setting in INSTANCE_SETTINGS.items()}
        return _usable(name, {key: value for key, value in numbers.items() if value})
    return {}


def _models_of_the_environment() -> dict[str, Any]:
    try:
        names = [str(parse_model_name(name)) for name in settings.MODEL_NAMES]
    except ModelNotFound:  # `serve` does not start with it, and `doctor` says so
        return {}
    return {"models": list(dict.fromkeys(names))} if names else {}


def _usable(name: str, values: Values) -> dict[str, Any]:
    return {key: value for key, value in values.items() if _is_valid(name, {key: value})}


def _is_valid(name: str, values: Values) -> bool:
    try:
        validated(GROUPS[name], values)
    except ValidationError:
        return False
    return True


def fitting(name: str, candidates: Iterable[Values]) -> Group:
    """The group of the first candidate that is valid; the last one is."""
    *doubtful, last = candidates
    for values in doubtful:
        try:
            return validated(GROUPS[name], values)
        except ValidationError:
            continue
    return validated(GROUPS[name], last)
