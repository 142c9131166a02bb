"""What a round of the monitor measured: kept in one transaction, and judged."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from instances.models import HealthSample, Instance, RestartAttempt, StatusChange
from instances.objects import Health, Status
from instances.operator_settings import MonitorSettings
from instances.services.changes import MONITOR, Cause, Changes, Verdict, changing
from instances.services.recording import keep_health, write_described
from instances.services.restarts import due_restarts, silence
from project.lib.db import write_transaction

#: Samples that one call forgets; a round adds as many as there are instances.
FORGOTTEN_AT_ONCE = 5_000
#: How long changes of status and restarts are listed; the audit trail keeps them for ever.
HISTORY_DAYS = 90


@dataclass(frozen=True, slots=True)
class Poll:
    """An instance's answer, and when it came."""

    health: Health
    at: datetime

    @property
    def age(self) -> int:
        """Of its heartbeat, in whole seconds; negative where the clocks differ."""
        return self.health.age_at(int(self.at.timestamp()))


def record_round(polls: Mapping[str, Poll], rules: MonitorSettings) -> list[str]:
    """Remember how the polled instances fare and what follows from it: which to restart now."""
    if not polls:
        return []
    with changing(timezone.now()) as changes:
        listed = Instance.objects.select_for_update().filter(is_listed=True).order_by("id")
        rows = [row for row in listed if row.pk in polls]
        for row in rows:
            keep_health(row, polls[row.pk].health)
        write_described(rows)
        if rules.keep_samples_hours:
            HealthSample.objects.bulk_create([_sample(row.pk, polls[row.pk]) for row in rows])
        # What somebody paused or killed since it was listed is nobody's to judge.
        running = [row for row in rows if row.reported_status == Status.RUNNING]
        for row in running:
            _judge(row, polls[row.pk], rules, changes)
        stale = [row for row in running if row.stale_since is not None]
        return due_restarts(stale, changes, rules)


def forget_samples(keep_hours: int, *, at_once: int = FORGOTTEN_AT_ONCE) -> int:
    """Delete old samples, not more than a batch of them; how many it were."""
    return _forget(HealthSample.objects.all(), timedelta(hours=keep_hours), at_once)


def forget_history(*, at_once: int = FORGOTTEN_AT_ONCE) -> int:
    """Delete what happened long ago, of each kind not more than a batch; how many it were."""
    age = timedelta(days=HISTORY_DAYS)
    both = (StatusChange.objects.all(), RestartAttempt.objects.all())
    return sum(_forget(rows, age, at_once) for rows in both)


def _forget(rows: QuerySet[Any], age: timedelta, at_once: int) -> int:
    too_old = rows.filter(at__lt=timezone.now() - age)
    if not too_old.exists():
        return 0  # as mostly: nobody waits for a lock then
    batch = too_old.order_by("at").values("pk")[:at_once]
    with write_transaction():
        deleted, _ = rows.filter(pk__in=batch).delete()
    return deleted


def listed_statuses(backend: str, place: str) -> list[str]:
    """Of the instances of one backend: another one may have a monitor of its own."""
    listed = Instance.objects.filter(backend=backend, place=place, is_listed=True).order_by()
    return list(listed.values_list("status", flat=True))


def _judge(row: Instance, poll: Poll, rules: MonitorSettings, changes: Changes) -> None:
    is_stale = poll.age > rules.heartbeat_timeout
    if is_stale and row.stale_since is None and not _has_just_begun(row, changes.now, rules):
        row.stale_since = changes.now
        why = silence(row, poll.at)
        changes.settle(row, Verdict(Status.ERROR, Cause.STALE, why, MONITOR))
    elif not is_stale and row.stale_since is not None:
        row.stale_since = row.given_up_at = None
        verdict = Verdict(Status(row.reported_status), Cause.RECOVERED, actor=MONITOR)
        changes.settle(row, verdict)


def _has_just_begun(row: Instance, now: datetime, rules: MonitorSettings) -> bool:
    """Its last heartbeat is from before a pause or restart that we saw: it needs time for one."""
    timeout = timedelta(seconds=rules.heartbeat_timeout)
    return row.started_at is not None and now - row.started_at <= timeout


def _sample(instance_id: str, poll: Poll) -> HealthSample:
    return HealthSample(
        instance_id=instance_id,
        at=poll.at,
        cpu_percent=poll.health.cpu_percent,
        memory_mb=poll.health.memory_mb,
        disk_mb=poll.health.disk_mb,
        heartbeat_age=poll.age,
    )
