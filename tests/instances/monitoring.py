"""The monitor in the test's process: rounds when the test says so, and time that passes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from django.db.models import F
from prometheus_client import REGISTRY

from instances.backends import open_backend
from instances.models import Instance, RestartAttempt, StatusChange
from instances.monitor.loop import Monitor
from instances.operator_settings import MonitorSettings
from instances.services.changes import Change
from instances.signals import instance_changed
from project.lib.pool import in_database_thread
from tests.instances.fake_backend import FakeBackend
from tests.instances.fake_instance import FakeInstance

#: Polls begin within a quarter of the interval, so a round takes a quarter of a second.
RULES = MonitorSettings(poll_seconds=1, heartbeat_timeout=90, restarts_per_hour=3)
PATIENCE_SECONDS = 30.0


@dataclass
class Watched:
    """A monitor, its backend, and what it told those who asked to be called back."""

    monitor: Monitor
    backend: FakeBackend
    told: list[Change] = field(default_factory=list)

    async def round(self, rules: MonitorSettings = RULES) -> None:
        await self.monitor.look_at_all(rules)

    async def until_restarted(self, instance: FakeInstance, count: int) -> None:
        """That many attempts have ended."""
        ended = RestartAttempt.objects.filter(instance=instance.id).exclude(error="interrupted")
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await in_database_thread(ended.count) < count:
                await asyncio.sleep(0.02)

    async def row(self, instance: FakeInstance) -> Instance:
        return await in_database_thread(Instance.objects.get, pk=instance.id)

    async def changes(self, instance: FakeInstance) -> list[tuple[str, str, str]]:
        """From what, to what and why, oldest first."""
        rows = StatusChange.objects.filter(instance=instance.id).order_by("id")
        return await in_database_thread(
            lambda: list(rows.values_list("previous", "status", "cause"))
        )

    async def let_pass(self, seconds: int) -> None:
        """As if that time had passed since all that the monitor remembers."""
        await in_database_thread(_move_back, timedelta(seconds=seconds))


def _move_back(by: timedelta) -> None:
    RestartAttempt.objects.update(at=F("at") - by)
    Instance.objects.update(status_since=F("status_since") - by)
    for name in ("started_at", "stale_since", "given_up_at"):
        Instance.objects.exclude(**{name: None}).update(**{name: F(name) - by})


def counted(name: str, **labels: str) -> float:
    """A counter of this process."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def watching(backend: FakeBackend) -> AsyncIterator[Watched]:
    opened = open_backend()
    watched = Watched(Monitor(opened), backend)

    def hear(change: Change, **_: object) -> None:
        watched.told.append(change)

    instance_changed.connect(hear)
    try:
        yield watched
    finally:
        instance_changed.disconnect(hear)
        await watched.monitor.stop()
        await opened.aclose()
