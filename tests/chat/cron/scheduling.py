"""A scheduler in the test's own process, its clock in the test's hands, and an engine beside it."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from chat.cron.definitions import NewJob
from chat.cron.firing import fire_due, run_now
from chat.cron.jobs import Maker, create_job
from chat.live_settings.reading import forget
from chat.models import CronJob, CronRun, SettingGroup
from project.lib.pool import in_database_thread
from runs.tools.base import ToolContext
from runs.tools.typed import tool

#: Ends when the test opens the gate, and not before.
WAITING_PROMPT = "!tool gate {}\n!turn\n!say through"


class Gate:
    """A tool that waits until the test lets one call through."""

    def __init__(self) -> None:
        self._calls: list[asyncio.Event] = []

        @tool(timeout_seconds=600)
        async def gate(context: ToolContext) -> str:
            """Wait."""
            opened = asyncio.Event()
            self._calls.append(opened)
            await opened.wait()
            return "open"

        self.tool = gate

    async def until_waiting(self, count: int) -> None:
        """Until that many calls wait."""
        while len(self._calls) < count:
            await asyncio.sleep(0.01)

    def open(self) -> None:
        """Let the call through that has waited longest."""
        self._calls.pop(0).set()


class Scheduling:
    """Jobs of a user, from the second `began` on."""

    def __init__(self, owner: str = "") -> None:
        self.owner = owner
        self.began = int(time.time())

    def make_job(self, prompt: str = "hello", **fields: Any) -> CronJob:
        """Due a second after `began`, and then each second, unless told otherwise."""
        wanted = NewJob(
            **{
                "name": "job",
                "prompt": prompt,
                "schedule": {"kind": "interval", "every_ms": 1000},
                **fields,
            }
        )
        return create_job(Maker("test", self.owner, None), wanted, now=self.began)

    def tick(self, seconds: int) -> None:
        fire_due(now=self.began + seconds)

    def run_now(self, job: CronJob, seconds: int) -> CronRun:
        return run_now(job.pk, now=self.began + seconds)

    def records(self, job: CronJob) -> list[tuple[int, int, str]]:
        """Seconds after `began`, attempt and status of each, oldest first."""
        rows = job.runs.order_by("due_at", "attempt").values_list("due_at", "attempt", "status")
        return [(due_at - self.began, attempt, status) for due_at, attempt, status in rows]

    async def in_thread(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await in_database_thread(work, *args, **kwargs)

    async def until(self, record: CronRun, *statuses: str) -> CronRun:
        """Wait for a record to be in one of these; nobody ticks meanwhile."""
        while True:
            found: CronRun = await in_database_thread(CronRun.objects.get, pk=record.pk)
            if found.status in statuses:
                return found
            await asyncio.sleep(0.01)


def set_settings(group: str, **values: Any) -> None:
    SettingGroup.objects.update_or_create(name=group, defaults={"values": values})
    forget()
