"""Changing settings: checked as a whole, recorded, and told to whoever acts by them.

A row lock makes changes of one group take turns. A change that cannot stand changes nothing.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import models, transaction
from pydantic import ValidationError

from accounts import audit
from chat.errors import ChangedMeanwhile
from chat.live_settings import reading
from chat.live_settings.groups import AFTER_RESTART, GROUPS, Group
from chat.live_settings.layers import NAMES, Layers, as_json, layers_of, validated
from chat.live_settings.words import complaint
from chat.models import SettingChange, SettingGroup
from chat.signals import send_on_commit, settings_changed
from project.lib.db import write_transaction

logger = logging.getLogger(__name__)

PACK_ID = "starport.settings"


def change_settings(
    kind: type[Group], values: Mapping[str, Any], *, actor: str, revision: int | None = None
) -> tuple[str, ...]:
    """Make values of a group what `values` says; the fields whose value is another one now.

    What is already so stays as it is, and what is the same as beneath is not kept here. Raises
    `OutOfRange` for a group that could not stand, and `ChangedMeanwhile` when `revision` is given
    and is not the group's.
    """
    with write_transaction():
        row = _locked(NAMES[kind])
        _require(row, revision)
        layers = _layers(row)
        try:
            target = as_json(validated(kind, {**layers.merged, **values}))
        except ValidationError as error:
            raise complaint(error) from None
        changed = {name: target[name] for name in values if target[name] != layers.merged.get(name)}
        return _store(row, layers, changed, actor)


def reset_settings(
    kind: type[Group], names: Iterable[str], *, actor: str, revision: int | None = None
) -> tuple[str, ...]:
    """Let what lies beneath count again: file, environment or default."""
    with write_transaction():
        row = _locked(NAMES[kind])
        _require(row, revision)
        layers = _layers(row)
        changed = {name: layers.beneath[name] for name in names if name in layers.database}
        try:
            validated(kind, {**layers.merged, **changed})
        except ValidationError as error:
            raise complaint(error) from None
        return _store(row, layers, changed, actor)


def _locked(name: str) -> SettingGroup:
    rows: models.QuerySet[SettingGroup] = SettingGroup.objects.select_for_update()
    row, _ = rows.get_or_create(name=name)
    return row


def _require(row: SettingGroup, revision: int | None) -> None:
    if revision is not None and revision != row.revision:
        raise ChangedMeanwhile


def _layers(row: SettingGroup) -> Layers:
    said = SettingGroup.objects.filter(pk=reading.FILE_ROW).values_list("values", flat=True).first()
    in_file = (said or {}).get("values", {}).get(row.name, {})
    known = GROUPS[row.name].model_fields
    stored = {name: value for name, value in row.values.items() if name in known}
    return layers_of(row.name, file=in_file, database=stored)


def _store(
    row: SettingGroup, layers: Layers, changed: Mapping[str, Any], actor: str
) -> tuple[str, ...]:
    if not changed:
        return ()
    kept = {
        name: value
        for name, value in {**layers.database, **changed}.items()
        if name not in changed or value != layers.beneath[name]
    }
    SettingChange.objects.bulk_create(
        SettingChange(
            group=row.name,
            field=name,
            before=layers.database.get(name),
            after=kept.get(name),
            actor=actor,
        )
        for name in changed
    )
    row.values, row.updated_by = kept, actor
    row.revision += 1
    row.save(update_fields=["values", "revision", "updated_by", "updated_at"])
    tell_on_commit(row.name)
    warn_of_restart(changed)
    audit.record(
        "settings_changed",
        actor=actor,
        pack_id=PACK_ID,
        durable=True,
        group=row.name,
        changed=sorted(changed),
    )
    return tuple(changed)


def tell_on_commit(group: str) -> None:
    """What reads settings reads anew: this process at once, others within a second."""
    transaction.on_commit(reading.forget)
    send_on_commit(settings_changed, group=group)


def warn_of_restart(names: Iterable[str]) -> None:
    for name in sorted(AFTER_RESTART.intersection(names)):
        logger.warning("a setting acts when the server is started again", extra={"field": name})
