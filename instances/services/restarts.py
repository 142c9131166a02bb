"""When the monitor restarts what is stale, and when it stops trying.

After each restart it waits longer for the next one, and after so many within an hour it gives up.
All of that follows from the rows of attempts, so it holds across restarts of the server and
whichever server has the turn.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from enum import Enum, auto

from django.db import transaction
from django.utils import timezone

from accounts import audit
from instances import metrics
from instances.models import Instance, RestartAttempt
from instances.objects import Status
from instances.operator_settings import MonitorSettings
from instances.services.changes import MONITOR, Changes
from instances.signals import instance_given_up, send_on_commit
from project.lib.db import write_transaction

HOUR = timedelta(hours=1)
#: The wait doubles up to this, or to one heartbeat timeout where that is longer.
LONGEST_WAIT = timedelta(minutes=15)
INTERRUPTED = "interrupted"  # the error of an attempt until its outcome is known


class Step(Enum):
    RESTART = auto()
    WAIT = auto()
    GIVE_UP = auto()


def next_step(attempts: Sequence[datetime], now: datetime, rules: MonitorSettings) -> Step:
    """What to do about a stale instance that was restarted at these times, oldest first."""
    if not attempts:
        return Step.RESTART
    in_an_hour = sum(now - at < HOUR for at in attempts)
    timeout = timedelta(seconds=rules.heartbeat_timeout)
    wait = max(timeout, min(timeout * 2 ** max(in_an_hour - 1, 0), LONGEST_WAIT))
    if now - attempts[-1] < wait:
        return Step.WAIT
    return Step.GIVE_UP if in_an_hour >= rules.restarts_per_hour else Step.RESTART


def due_restarts(rows: Sequence[Instance], changes: Changes, rules: MonitorSettings) -> list[str]:
    """Which of these to restart now. The rows are locked and stale; hopeless ones are given up."""
    if not rules.auto_restart:
        return []
    hopeful = [row for row in rows if row.given_up_at is None]
    attempts = _recent_attempts([row.pk for row in hopeful], changes.now, rules)
    steps = {row.pk: next_step(attempts[row.pk], changes.now, rules) for row in hopeful}
    for row in hopeful:
        if steps[row.pk] is Step.GIVE_UP:
            _give_up(row, changes, rules)
    return [pk for pk, step in steps.items() if step is Step.RESTART]


def claim_restart(instance_id: str, rules: MonitorSettings) -> int | None:
    """Begin an attempt, unless that is not called for any more: its id."""
    now = timezone.now()
    with write_transaction():
        row = Instance.objects.select_for_update().filter(pk=instance_id, is_listed=True).first()
        if row is None or row.reported_status != Status.RUNNING or row.stale_since is None:
            return None  # somebody paused or killed it, or it has recovered
        attempts = _recent_attempts([instance_id], now, rules)[instance_id]
        if row.given_up_at is not None or next_step(attempts, now, rules) is not Step.RESTART:
            return None  # somebody else was faster
        row.why = f"{silence(row, now)}; restarted at {now:%H:%M:%S} UTC"
        row.save(update_fields=["why"])
        attempt = RestartAttempt.objects.create(
            instance=row, at=now, succeeded=False, error=INTERRUPTED
        )
    return attempt.pk


def conclude_restart(attempt_id: int, error: str) -> None:
    """What became of it; no error: the backend took the command."""
    with write_transaction():
        attempt = RestartAttempt.objects.select_related("instance").get(pk=attempt_id)
        attempt.succeeded, attempt.error = not error, error[:500]
        attempt.save(update_fields=["succeeded", "error"])
        if error:
            failed = Instance.objects.filter(pk=attempt.instance_id, stale_since__isnull=False)
            why = f"{silence(attempt.instance, attempt.at)}; the restart failed: {error}"
            failed.update(why=why[:500])
        audit.record(
            "instance_restarted",
            actor=MONITOR,
            pack_id=audit.RUNTIME,
            durable=True,
            instance_id=attempt.instance_id,
            outcome="failed" if error else "done",
            detail=error[:500],
        )
    metrics.restarts.labels("failed" if error else "done").inc()


def silence(row: Instance, now: datetime) -> str:
    """Why it is stale, in words."""
    assert row.last_heartbeat is not None  # only a health that was heard of can be stale
    return f"no heartbeat for {int(now.timestamp()) - row.last_heartbeat} s"


def _give_up(row: Instance, changes: Changes, rules: MonitorSettings) -> None:
    times = f"{rules.restarts_per_hour} restart{'s' if rules.restarts_per_hour > 1 else ''}"
    row.why = f"{silence(row, changes.now)}; given up after {times} within an hour"
    row.given_up_at = changes.now
    row.save(update_fields=["why", "given_up_at"])
    transaction.on_commit(metrics.restarts.labels("given_up").inc)
    send_on_commit(instance_given_up, instance_id=row.pk, name=row.name, why=row.why)
    changes.note("instance_given_up", actor=MONITOR, instance_id=row.pk, detail=row.why)


def _recent_attempts(
    instance_ids: Collection[str], now: datetime, rules: MonitorSettings
) -> dict[str, list[datetime]]:
    """As far back as they matter, oldest first."""
    since = now - max(HOUR, timedelta(seconds=rules.heartbeat_timeout))
    attempts = RestartAttempt.objects.filter(instance__in=instance_ids, at__gt=since)
    found: dict[str, list[datetime]] = defaultdict(list)
    for instance_id, at in attempts.order_by("at").values_list("instance_id", "at"):
        found[instance_id].append(at)
    return found
