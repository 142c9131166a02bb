"""Firing triggers: when their time has come, and by hand."""

import logging
from datetime import datetime
from typing import Any

from django.db.models import Min
from django.utils import timezone

from accounts import audit
from accounts.principals import Principal
from project.lib.db import write_transaction
from runs.errors import QueueFull, RunsError, ShuttingDown, TriggerDisabled, TriggerNotFound
from runs.models import CronTrigger, Trigger
from runs.services.starting import Idempotency, Started, start_run
from runs.triggers import schedules
from runs.triggers.run_requests import run_request

logger = logging.getLogger(__name__)

PACK_ID = "stargraph.triggers"
NO_CAPABILITIES: frozenset[str] = frozenset()


def fire_due(*, now: datetime | None = None) -> datetime | None:
    """Fire every cron trigger whose time has come; returns when the next one is due.

    Safe to run anywhere, any number of times at once. What cannot start because the queue is full
    or the process stops stays due.
    """
    now = now or timezone.now()
    due = CronTrigger.objects.filter(next_fire_at__lte=now).order_by("next_fire_at")
    for pk in list(due.values_list("pk", flat=True)):
        try:
            _fire_cron(pk, now)
        except (QueueFull, ShuttingDown) as error:
            logger.warning("a cron trigger waits", extra={"reason": str(error)})
            break
        except Exception:
            # A worker's loop: one trigger that cannot be fired must not stop the others.
            logger.exception("firing a cron trigger failed", extra={"trigger": pk})
    waiting = CronTrigger.objects.filter(next_fire_at__isnull=False)
    next_at: datetime | None = waiting.aggregate(next_at=Min("next_fire_at"))["next_at"]
    return next_at


def _fire_cron(pk: int, now: datetime) -> None:
    """Claim the time and start its run in one transaction: both happen, once, or neither."""
    with write_transaction():
        lock_trigger(pk)
        trigger = CronTrigger.objects.get(pk=pk)
        if trigger.next_fire_at is None or trigger.next_fire_at > now:
            return  # another process was first
        plan = schedules.plan(
            trigger.cron_expression,
            trigger.tz,
            due=trigger.next_fire_at,
            now=now,
            catches_up=trigger.missed_fire_policy == CronTrigger.MissedFirePolicy.FIRE_ONCE_CATCHUP,
        )
        CronTrigger.objects.filter(pk=pk).update(next_fire_at=plan.next_at)
        if plan.missed:
            logger.warning("fire times were missed", extra={"trigger": trigger.trigger_id})
        if plan.fire_at is not None:
            _start_for(trigger, plan.fire_at, now)


def _start_for(trigger: CronTrigger, fire_at: datetime, now: datetime) -> None:
    key = schedules.idempotency_key(trigger.trigger_id, fire_at)
    try:
        started = start_run(
            run_request(
                trigger_id=trigger.trigger_id,
                kind=trigger.kind,
                graph_id=trigger.graph_id,
                inputs=trigger.params,
            ),
            actor=f"cron:{trigger.trigger_id}",
            user_id=None,
            granted=NO_CAPABILITIES,
            idempotency=Idempotency(f"cron:{trigger.trigger_id}", key, None),
        )
    except (QueueFull, ShuttingDown):
        raise
    except RunsError as error:
        # Its graph or model is gone. Trying again would not help; the next time may.
        logger.warning(
            "a cron trigger started no run",
            extra={"trigger": trigger.trigger_id, "reason": str(error)},
        )
        note_failed(trigger.pk, str(error))
        return
    note_fired(trigger.pk, started.run_id, now)


def fire_by_hand(
    trigger: Trigger,
    *,
    caller: Principal,
    inputs: dict[str, Any] | None = None,
    idempotency: Idempotency | None = None,
) -> Started:
    """Start a run of a cron or manual trigger now. It belongs to the caller.

    `inputs` come before the trigger's own. Raises `TriggerDisabled` and what `start_run` raises.
    """
    if not trigger.is_enabled:
        raise TriggerDisabled(f"trigger '{trigger.trigger_id}' is disabled")
    with write_transaction():
        lock_trigger(trigger.pk)
        started = start_run(
            run_request(
                trigger_id=trigger.trigger_id,
                kind=trigger.kind,
                graph_id=trigger.graph_id,
                inputs=trigger.params | (inputs or {}),
            ),
            actor=caller.actor,
            user_id=caller.user_id,
            granted=caller.capabilities,
            api_key_id=caller.api_key_id,
            idempotency=idempotency,
        )
        if not started.is_replay:
            note_fired(trigger.pk, started.run_id, timezone.now())
            record_fired(trigger, caller.actor, started.run_id)
    return started


def find_trigger(trigger_id: str) -> Trigger:
    """Raises `TriggerNotFound`."""
    trigger = Trigger.objects.filter(trigger_id=trigger_id).first()
    if trigger is None:
        raise TriggerNotFound(f"trigger '{trigger_id}' not found")
    return trigger


def lock_trigger(pk: int) -> None:
    """Until the transaction ends. Everybody locks this row before any other of the trigger's."""
    Trigger.objects.select_for_update().filter(pk=pk).values_list("pk").first()


def note_fired(pk: int, run_id: str, now: datetime) -> None:
    Trigger.objects.filter(pk=pk).update(last_fired_at=now, last_run_id=run_id, last_error="")


def note_failed(pk: int, reason: str) -> None:
    Trigger.objects.filter(pk=pk).update(last_error=reason[:300])


def record_fired(trigger: Trigger, actor: str, run_id: str, kind: str = "trigger_fired") -> None:
    """Who fired it by hand. Last in its transaction: it locks the head of the audit trail."""
    audit.record(
        kind,
        actor=actor,
        run_id=run_id,
        pack_id=PACK_ID,
        durable=True,
        trigger_id=trigger.trigger_id,
    )
