"""The health monitor: looks at all instances at an interval, and sees to those gone silent."""

import asyncio
import logging
import time

from django.db import Error
from django.utils import timezone

from instances import metrics, operator_settings
from instances.backends import Backend
from instances.errors import InstancesError
from instances.monitor.pace import Pace
from instances.monitor.polling import Limits, Poller
from instances.monitor.restarting import Restarter
from instances.objects import Listing, Status, is_instance_id
from instances.operator_settings import MonitorSettings
from instances.services import recording
from instances.services.rounds import (
    forget_history,
    forget_samples,
    listed_statuses,
    record_round,
)
from project.lib.pool import in_database_thread

logger = logging.getLogger(__name__)

#: How soon a change of the settings acts.
LOOK_SECONDS = 1.0


class Monitor:
    """One per deployment at a time. Rounds never overlap; restarts go on beside them."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._poller = Poller(backend)
        self._restarter = Restarter(backend)
        self._list_failure = ""
        self._rules = MonitorSettings()

    async def run(self) -> None:
        """Until it is cancelled. The first round comes after one interval."""
        pace = Pace(time.monotonic())
        try:
            while True:
                rules = await self._read_rules()
                wait = pace.due_in(time.monotonic(), rules.poll_seconds)
                if wait > 0:
                    await asyncio.sleep(min(wait, LOOK_SECONDS))
                    continue
                metrics.rounds_skipped.inc(pace.begin(time.monotonic()))
                await self.look_at_all(rules)
        finally:
            metrics.forget_statuses()
            await self.stop()

    async def finish(self) -> None:
        """Return when the restarts that are under way have ended."""
        await self._restarter.finish()

    async def stop(self) -> None:
        """End the restarts that are under way."""
        await self._restarter.stop()

    async def _read_rules(self) -> MonitorSettings:
        """Those of before while the database cannot be asked."""
        try:
            self._rules = await in_database_thread(operator_settings.read)
        except Error:
            logger.exception("the settings of the monitor could not be read")
        return self._rules

    async def look_at_all(self, rules: MonitorSettings) -> None:
        """One round."""
        began = time.monotonic()
        try:
            outcome = await self._round(rules, began)
        except Exception:
            logger.exception("a round of the monitor failed")
            outcome = "failed"
        metrics.rounds.labels(outcome).inc()
        metrics.round_duration.observe(time.monotonic() - began)

    async def _round(self, rules: MonitorSettings, began: float) -> str:
        limits, asked_at = Limits.of(rules.poll_seconds), timezone.now()
        listing = await self._list(limits)
        if listing is None:
            return "list_failed"
        kind, place = self._backend.kind, self._backend.place
        await in_database_thread(
            recording.remember_list,
            kind,
            listing,
            place=place,
            unread=listing.unread,
            asked_at=asked_at,
        )
        running = [one.id for one in listing if one.status is Status.RUNNING]
        seconds = began + limits.round - time.monotonic()
        polls = await self._poller.poll(list(filter(is_instance_id, running)), limits, seconds)
        due = await in_database_thread(record_round, polls.answered, rules)
        self._restarter.begin(due, rules)
        await in_database_thread(forget_samples, rules.keep_samples_hours)
        await in_database_thread(forget_history)
        metrics.set_statuses(await in_database_thread(listed_statuses, kind, place))
        return "done"

    async def _list(self, limits: Limits) -> Listing | None:
        """`None` when there is none to be had. The log says so once, and once when there is."""
        try:
            async with asyncio.timeout(limits.round / 2):
                listing = await self._backend.list_instances()
        except (InstancesError, TimeoutError) as error:
            kind = metrics.kind_of(error)
            metrics.poll_failures.labels(f"list_{kind}").inc()
            if kind != self._list_failure:
                facts = {"kind": kind, "reason": str(error)}
                logger.warning("the instances cannot be listed", extra=facts)
            self._list_failure = kind
            return None
        if self._list_failure:
            logger.info("the instances can be listed again")
        self._list_failure = ""
        return listing
