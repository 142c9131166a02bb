"""What a monitor would have remembered."""

import time
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from instances.models import HealthSample, Instance, RestartAttempt, StatusChange
from instances.objects import Status

Cause = StatusChange.Cause


def ago(seconds: float) -> datetime:
    return timezone.now() - timedelta(seconds=seconds)


def make_instance(instance_id: str = "inst-1", *, beat: int | None = 5, **fields: Any) -> Instance:
    """Running unless told otherwise; its last heartbeat was `beat` seconds ago."""
    status = fields.setdefault("status", Status.RUNNING.value)
    fields.setdefault("reported_status", status)
    if beat is not None:
        health = {"cpu_percent": 12.5, "memory_mb": 256, "disk_mb": 1024, "uptime_secs": 60}
        fields = {**health, "last_heartbeat": int(time.time()) - beat, **fields}
    now = timezone.now()
    times = dict.fromkeys(("first_seen_at", "last_seen_at", "status_since"), now)
    created = int(time.time()) - 3600
    facts = {"backend": "http", "created_at": created, "updated_at": created, **times}
    return Instance.objects.create(id=instance_id, **{**facts, **fields})


def make_stale(instance_id: str = "inst-1", **fields: Any) -> Instance:
    """As the monitor leaves it: its heartbeat is two minutes old."""
    facts = {
        "status": Status.ERROR.value,
        "reported_status": Status.RUNNING.value,
        "why": "no heartbeat for 120 s",
        "stale_since": ago(30),
        "beat": 120,
    }
    return make_instance(instance_id, **{**facts, **fields})


def make_attempt(row: Instance, *, seconds_ago: float, error: str = "") -> None:
    RestartAttempt.objects.create(
        instance=row, at=ago(seconds_ago), succeeded=not error, error=error
    )


def make_change(row: Instance, cause: Cause, **fields: Any) -> None:
    facts: dict[str, Any] = {"at": timezone.now(), "previous": "", "status": row.status}
    StatusChange.objects.create(instance=row, cause=cause, **{**facts, **fields})


def make_samples(row: Instance, *, count: int, every: float = 30) -> None:
    """One each so many seconds until now; the load rises from 0 to 100."""
    HealthSample.objects.bulk_create(
        HealthSample(
            instance=row,
            at=ago((count - 1 - number) * every),
            cpu_percent=100 * number / max(count - 1, 1),
            memory_mb=256 + number,
            disk_mb=1024,
            heartbeat_age=number % 30,
        )
        for number in range(count)
    )
