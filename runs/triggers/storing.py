"""Storing triggers: the one way in for the file and the admin. Audited, and told to the clock."""

import dataclasses
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts import audit
from project.lib.db import write_transaction
from runs.errors import InvalidInput
from runs.models import CronTrigger, Trigger, WebhookTrigger
from runs.triggers.clock import clock
from runs.triggers.definitions import (
    CronDefinition,
    Definition,
    WebhookDefinition,
    check_definition,
    check_entered_secret,
    normal_path,
)
from runs.triggers.schedules import next_time
from runs.triggers.sealing import seal

PACK_ID = "starport.triggers"

AnyTrigger = Trigger | CronTrigger | WebhookTrigger


def store_trigger(
    definition: Definition,
    *,
    actor: str,
    source: str = Trigger.Source.ADMIN,
    secret: str = "",
    keeps_previous_secret: bool = True,
) -> AnyTrigger:
    """Create or change the trigger of that id. Nothing happens when it is as defined already.

    `secret` is a new one for a webhook that keeps its own; the one before stays valid beside it
    unless `keeps_previous_secret` is false. Raises `InvalidInput` naming the field.
    """
    check_definition(definition)
    with write_transaction():
        # Locked through its first table, as by everybody: two orders would be a deadlock.
        named = Trigger.objects.filter(trigger_id=definition.trigger_id)
        stored = named.select_for_update().first()
        _refuse_another(stored, definition, source)
        trigger = _loaded(definition)
        changed = _apply(trigger, definition)
        if isinstance(trigger, WebhookTrigger):
            changed += _apply_secrets(trigger, secret, keeps_previous_secret)
            _refuse_taken_path(trigger)
        if stored is None:
            trigger.source = source
        elif not changed:
            return trigger
        if isinstance(trigger, CronTrigger):
            _reschedule(trigger, changed)
        trigger.save()
        _record(trigger, actor, "trigger_created" if stored is None else "trigger_updated", changed)
        transaction.on_commit(clock.wake)
    return trigger


def disable_trigger(trigger_id: str, *, actor: str) -> None:
    """Switch a trigger off: what the file no longer names."""
    with write_transaction():
        trigger = Trigger.objects.select_for_update().get(trigger_id=trigger_id)
        Trigger.objects.filter(pk=trigger.pk).update(is_enabled=False)
        CronTrigger.objects.filter(pk=trigger.pk).update(next_fire_at=None)
        _record(trigger, actor, "trigger_updated", ["is_enabled"])
        transaction.on_commit(clock.wake)


def _refuse_another(stored: Trigger | None, definition: Definition, source: str) -> None:
    if stored is None:
        return
    if stored.kind != definition.kind:
        raise InvalidInput(
            f"{stored.trigger_id!r} is the id of a {stored.kind} trigger", field="trigger_id"
        )
    if stored.source != source:
        owner = "config/triggers.yaml" if stored.source == Trigger.Source.FILE else "the admin"
        raise InvalidInput(
            f"{stored.trigger_id!r} is the id of a trigger from {owner}", field="trigger_id"
        )


def _loaded(definition: Definition) -> AnyTrigger:
    """The stored trigger, or a new one."""
    model: type[AnyTrigger] = Trigger
    if isinstance(definition, CronDefinition):
        model = CronTrigger
    elif isinstance(definition, WebhookDefinition):
        model = WebhookTrigger
    found = model._default_manager.filter(trigger_id=definition.trigger_id).first()
    return found or model(trigger_id=definition.trigger_id, kind=definition.kind)


def _apply(trigger: AnyTrigger, definition: Definition) -> list[str]:
    """Copy the definition's fields; the names of those that changed."""
    wanted: dict[str, Any] = {
        item.name: getattr(definition, item.name) for item in dataclasses.fields(definition)
    }
    if isinstance(definition, WebhookDefinition):
        wanted["path"] = normal_path(definition.path)
    changed = [name for name, value in wanted.items() if getattr(trigger, name) != value]
    for name in changed:
        setattr(trigger, name, wanted[name])
    return changed


def _apply_secrets(trigger: WebhookTrigger, secret: str, keeps_previous: bool) -> list[str]:
    before = (trigger.current_secret_sealed, trigger.previous_secret_sealed)
    if trigger.current_secret_env and secret:
        raise InvalidInput(
            "enter a secret or name a variable that holds it, not both", field="new_secret"
        )
    if secret:
        check_entered_secret(secret)
        trigger.previous_secret_sealed = trigger.current_secret_sealed
        trigger.current_secret_sealed = seal(secret)
    if trigger.current_secret_env:
        trigger.current_secret_sealed = ""
    elif not trigger.current_secret_sealed:
        raise InvalidInput(
            "a webhook needs a secret, or a variable that holds it", field="current_secret_env"
        )
    if not keeps_previous:
        trigger.previous_secret_sealed = ""
    now = (trigger.current_secret_sealed, trigger.previous_secret_sealed)
    return [] if now == before else ["secrets"]


def _refuse_taken_path(trigger: WebhookTrigger) -> None:
    if WebhookTrigger.objects.filter(path=trigger.path).exclude(pk=trigger.pk).exists():
        raise InvalidInput(f"another webhook has the path /hooks/{trigger.path}", field="path")


def _reschedule(trigger: CronTrigger, changed: list[str]) -> None:
    """A changed schedule begins anew; an unchanged one goes on, so that nothing due is lost."""
    if not trigger.is_enabled:
        trigger.next_fire_at = None
    elif trigger.next_fire_at is None or {"cron_expression", "tz"} & set(changed):
        trigger.next_fire_at = next_time(trigger.cron_expression, trigger.tz, timezone.now())


def _record(trigger: Trigger, actor: str, kind: str, changed: list[str]) -> None:
    audit.record(
        kind,
        actor=actor,
        pack_id=PACK_ID,
        durable=True,
        trigger_id=trigger.trigger_id,
        trigger_kind=trigger.kind,
        changed=sorted(changed),
    )
