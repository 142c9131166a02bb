"""`config/triggers.yaml` in the data folder: triggers as the operator writes them down.

It is read when a server starts and stored as a whole or not at all.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from django.db import connection
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from project.lib.db import write_transaction
from runs.errors import InvalidInput, TriggersFileInvalid
from runs.models import Trigger
from runs.triggers.definitions import (
    CronDefinition,
    Definition,
    ManualDefinition,
    WebhookDefinition,
    check_definition,
    normal_path,
)
from runs.triggers.storing import disable_trigger, store_trigger

ACTOR = "config/triggers.yaml"
#: Any number, the same in every process: servers that start together take turns.
_LOCK = 7_283_902
#: How the file calls what our definitions name after columns.
_KEYS = {"trigger_id": "id", "cron_expression": "expr", "is_enabled": "enabled"}
_HINTS = {
    "graph_id": "Give the folder with the graph's document to --graphs, or correct the name.",
    "current_secret_env": "Set the variable for this process; secrets are not kept in the file.",
    "previous_secret_env": "Set the variable for this process, or leave the key out.",
    "cron_expression": 'For example "0 6 * * 1-5": at six on weekdays.',
    "params": "Give the graph the inputs it needs; `agent` needs `goal`.",
    "trigger_id": "Choose another id, or remove the other trigger.",
    "path": "Choose another path.",
}


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    id: str
    graph_id: str = "agent"
    params: dict[str, Any] = Field(default_factory=dict)
    enabled: bool = True
    description: str = ""  # for the reader of the file

    def definition(self) -> Definition:
        return ManualDefinition(**self._common())

    def _common(self) -> dict[str, Any]:
        return {
            "trigger_id": self.id,
            "graph_id": self.graph_id,
            "params": self.params,
            "is_enabled": self.enabled,
        }


class _Cron(_Entry):
    expr: str
    tz: str = "UTC"
    missed_fire_policy: Literal["fire_once_catchup", "skip"] = "fire_once_catchup"

    def definition(self) -> Definition:
        return CronDefinition(
            **self._common(),
            cron_expression=self.expr,
            tz=self.tz,
            missed_fire_policy=self.missed_fire_policy,
        )


class _Webhook(_Entry):
    path: str
    current_secret_env: str
    previous_secret_env: str = ""
    scheme: Literal["stargraph", "github"] = "stargraph"
    mapping: dict[str, Any] = Field(default_factory=dict)
    timestamp_window_seconds: int = 300
    nonce_lru_size: int = 10_000  # accepted and not needed: the database keeps the nonces
    signature_header: str = ""
    timestamp_header: str = ""

    def definition(self) -> Definition:
        return WebhookDefinition(
            **self._common(),
            path=self.path,
            scheme=self.scheme,
            mapping=self.mapping,
            current_secret_env=self.current_secret_env,
            previous_secret_env=self.previous_secret_env,
            timestamp_window_seconds=self.timestamp_window_seconds,
            signature_header=self.signature_header,
            timestamp_header=self.timestamp_header,
        )


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    manual: list[_Entry] = Field(default_factory=list)
    cron: list[_Cron] = Field(default_factory=list)
    webhook: list[_Webhook] = Field(default_factory=list)


def apply_triggers_file(path: Path) -> None:
    """Make the triggers from the file what the file says; those it no longer names are disabled.

    Raises `TriggersFileInvalid`, and then nothing has changed.
    """
    entries = _read(path)
    for pointer, definition in entries:
        _check(pointer, definition)
    _refuse_twins(entries)
    with write_transaction():
        _take_turn()
        for pointer, definition in entries:
            try:
                store_trigger(definition, actor=ACTOR, source=Trigger.Source.FILE)
            except InvalidInput as error:
                raise _complaint(pointer, error) from None
        named = [definition.trigger_id for _, definition in entries]
        gone = Trigger.objects.filter(source=Trigger.Source.FILE, is_enabled=True)
        for trigger_id in list(
            gone.exclude(trigger_id__in=named).values_list("trigger_id", flat=True)
        ):
            disable_trigger(trigger_id, actor=ACTOR)


def _read(path: Path) -> list[tuple[str, Definition]]:
    """Every entry with its place as a JSON pointer."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise TriggersFileInvalid(f"{ACTOR} cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise TriggersFileInvalid(f"{ACTOR} is not YAML: {' '.join(str(error).split())}") from None
    try:
        parsed = _File.model_validate(document or {})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        pointer = "/" + "/".join(str(part) for part in first["loc"])
        hint = (
            "The lists are manual, cron and webhook; docs/howto/triggers.md has their keys."
            if first["type"] in ("extra_forbidden", "missing")
            else "docs/howto/triggers.md has an example."
        )
        raise TriggersFileInvalid(f"{ACTOR} {pointer}: {_lowered(first['msg'])}. {hint}") from None
    lists: dict[str, Sequence[_Entry]] = {
        "manual": parsed.manual,
        "cron": parsed.cron,
        "webhook": parsed.webhook,
    }
    return [
        (f"/{name}/{index}", entry.definition())
        for name, found in lists.items()
        for index, entry in enumerate(found)
    ]


def _check(pointer: str, definition: Definition) -> None:
    try:
        check_definition(definition)
    except InvalidInput as error:
        raise _complaint(pointer, error) from None


def _refuse_twins(entries: list[tuple[str, Definition]]) -> None:
    """Ids are unique among all kinds, paths among webhooks."""
    places: dict[tuple[str, str], str] = {}
    for pointer, definition in entries:
        unique = [("trigger_id", definition.trigger_id)]
        if isinstance(definition, WebhookDefinition):
            unique.append(("path", normal_path(definition.path)))
        for field, value in unique:
            other = places.setdefault((field, value), pointer)
            if other != pointer:
                message = f"{value!r} stands at {other} already"
                raise _complaint(pointer, InvalidInput(message, field=field))


def _complaint(pointer: str, error: InvalidInput) -> TriggersFileInvalid:
    place = f"{pointer}/{_KEYS.get(error.field, error.field)}".rstrip("/")
    hint = _HINTS.get(error.field, "docs/howto/triggers.md has an example.")
    return TriggersFileInvalid(f"{ACTOR} {place}: {error}. {hint}")


def _take_turn() -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]
