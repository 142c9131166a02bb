"""Restarting what is stale, beside the rounds: a backend that takes its time delays none."""

import asyncio
import logging
from collections.abc import Iterable
from functools import partial

from django.utils import timezone

from instances.backends import Backend
from instances.errors import InstanceNotFound, InstancesError
from instances.objects import Status
from instances.operator_settings import MonitorSettings
from instances.services import recording
from instances.services.restarts import INTERRUPTED, claim_restart, conclude_restart
from project.lib.pool import in_database_thread

logger = logging.getLogger(__name__)

PARALLEL = 8
LOOK_SECONDS = 10.0


class Restarter:
    """One restart of an instance at a time, however often it is asked for."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._slots = asyncio.Semaphore(PARALLEL)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def begin(self, instance_ids: Iterable[str], rules: MonitorSettings) -> None:
        for instance_id in instance_ids:
            if instance_id not in self._tasks:
                task = asyncio.create_task(self._restart(instance_id, rules))
                self._tasks[instance_id] = task
                task.add_done_callback(partial(self._has_ended, instance_id))

    async def finish(self) -> None:
        """Return when all that has begun has ended."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def stop(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await self.finish()

    def _has_ended(self, instance_id: str, _: "asyncio.Task[None]") -> None:
        self._tasks.pop(instance_id, None)

    async def _restart(self, instance_id: str, rules: MonitorSettings) -> None:
        async with self._slots:
            try:
                if not await self._is_running(instance_id):
                    return
                attempt_id = await in_database_thread(claim_restart, instance_id, rules)
                if attempt_id is not None:
                    await self._ask(instance_id, attempt_id)
            except Exception:
                logger.exception("a restart failed", extra={"instance_id": instance_id})

    async def _is_running(self, instance_id: str) -> bool:
        """The backend is asked anew: a pause since the list must not be undone by a restart."""
        asked_at, kind, place = timezone.now(), self._backend.kind, self._backend.place
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                report = await self._backend.get(instance_id)
        except InstanceNotFound:
            await in_database_thread(recording.remember_missing, instance_id, kind, place=place)
            return False
        except (InstancesError, TimeoutError) as error:
            _warn("an instance is not restarted before the backend tells of it", instance_id, error)
            return False
        if report.status is Status.RUNNING:
            return True
        await in_database_thread(recording.remember, kind, report, place=place, asked_at=asked_at)
        return False

    async def _ask(self, instance_id: str, attempt_id: int) -> None:
        error = INTERRUPTED
        try:
            async with asyncio.timeout(self._backend.restart_seconds):
                await self._backend.restart(instance_id, only_running=True)
            error = ""
        except TimeoutError as failure:
            error = "the backend did not answer in time"
            _warn("an instance could not be restarted", instance_id, failure)
        except InstancesError as failure:
            error = str(failure)
            _warn("an instance could not be restarted", instance_id, failure)
        finally:
            await in_database_thread(conclude_restart, attempt_id, error)


def _warn(what: str, instance_id: str, error: Exception) -> None:
    reason = str(error) or "timed out"
    logger.warning(what, extra={"instance_id": instance_id, "reason": reason})
