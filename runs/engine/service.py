"""The engine of one process: claims pending runs, keeps their leases, executes them together."""

import asyncio
import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from django.conf import settings

from project.lib.clock import now_ns
from project.lib.pool import in_database_thread
from runs import metrics, operator_settings
from runs.engine.execution import Execution
from runs.live import NUDGE, hub
from runs.log.writer import GroupCommitWriter
from runs.models import Run
from runs.services import queue
from runs.services.retention import forget_old_records

if TYPE_CHECKING:
    from runs.tools.mcp.servers import McpServers

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 5.0
#: How often runs that other processes queued, cancelled or sent mail to are looked for. News from
#: this process, and over Redis from others, does not wait for it.
WATCH_SECONDS = 0.5
#: How long a nearly full engine waits for more places to come free, so that one claim fills them.
GATHER_SECONDS = 0.001
#: Nearly full is when less than this part of the places is free; a small engine never waits.
GATHER_BELOW = 1 / 8
#: How often leases of workers that went silent are looked for.
SWEEP_SECONDS = 2.0
#: How often records that have served their time are deleted.
RETENTION_SECONDS = 600.0


class Engine:
    """Executes up to `workers` runs at a time in the event loop it was started in."""

    def __init__(self, *, workers: int, owner: str) -> None:
        self.workers = workers
        self.owner = owner
        self.writer = GroupCommitWriter()
        self._executions: dict[str, Execution] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._chores: list[asyncio.Task[None]] = []
        self._wake = asyncio.Event()
        self._timers_changed = asyncio.Event()
        self._is_draining = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._swept_at = 0.0
        self._mcp: McpServers | None = None

    async def start(self, *, claims: bool = True) -> None:
        """Begin. With `claims` false, runs come only through `execute` (Celery)."""
        self._loop = asyncio.get_running_loop()
        if settings.STARPORT_MCP_SERVERS:
            # The protocol's library is slow to load: only for those who use it.
            from runs.tools.mcp.servers import get_servers

            self._mcp = get_servers()
            await self._mcp.start()
        await in_database_thread(operator_settings.refresh)
        self.writer.start()
        metrics.workers.set(self.workers)
        chores = [
            self._keep_leases(),
            self._watch(),
            self._wake_sleepers(),
            self._follow_settings(),
        ]
        if claims:
            freed = await in_database_thread(queue.void_leases_of, self.owner)
            if freed:
                logger.info("continuing runs of the previous process", extra={"count": freed})
            chores += [self._claim(), self._forget()]
        self._chores = [asyncio.create_task(chore) for chore in chores]

    @property
    def is_alive(self) -> bool:
        """Whether it was started and none of its chores has ended. From any thread."""
        return bool(self._chores) and not any(chore.done() for chore in self._chores)

    # News, from any thread

    def wake(self) -> None:
        """A run became pending."""
        # A full engine looks by itself as soon as a run ends, and so does one that was just told.
        if len(self._tasks) < self.workers and not self._wake.is_set():
            self._call(self._wake.set)

    def drop(self, run_id: str) -> None:
        """A run was cancelled: stop executing it."""
        self._call(lambda: self._drop(run_id))

    def tell_mail(self, run_id: str) -> None:
        """A run's mailbox has something in it."""
        self._call(lambda: self._tell_mail(run_id))

    def _call(self, fn: object) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(fn)  # type: ignore[arg-type]

    def _drop(self, run_id: str) -> None:
        execution = self._executions.get(run_id)
        if execution is not None:
            execution.drop()

    def _tell_mail(self, run_id: str) -> None:
        execution = self._executions.get(run_id)
        if execution is not None:
            execution.tell_mail()

    # Executing

    async def execute(self, run: Run, *, has_mail: bool = False) -> None:
        """Execute a run that this process just leased, to its end or wait."""
        execution = Execution(run, self.writer, has_mail=has_mail)
        execution.is_draining = self._is_draining
        self._executions[run.id] = execution
        if (task := asyncio.current_task()) is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        metrics.workers_busy.inc()
        metrics.runs_in_flight.inc()
        try:
            await execution.execute()
            if execution.wake_ns is not None:
                self._timers_changed.set()
            if execution.is_draining:
                await in_database_thread(queue.give_back, {run.id: run.lease_token})
        finally:
            metrics.workers_busy.dec()
            metrics.runs_in_flight.dec()
            if self._executions.get(run.id) is execution:
                del self._executions[run.id]
            self._wake.set()

    async def _claim(self) -> None:
        """Lease and start pending runs whenever there is room; never ends by itself."""
        while not self._is_draining:
            if 0 < self._free < self.workers * GATHER_BELOW:
                # Runs that commit together end together.
                await asyncio.sleep(GATHER_SECONDS)
            self._wake.clear()
            try:
                await self._claim_once()
            except Exception:
                logger.exception("claiming runs failed")
            with suppress(TimeoutError):
                async with asyncio.timeout(WATCH_SECONDS):
                    await self._wake.wait()

    @property
    def _free(self) -> int:
        return self.workers - len(self._tasks)

    async def _claim_once(self) -> None:
        free = self._free
        if free <= 0:
            return
        if time.monotonic() - self._swept_at > SWEEP_SECONDS:
            self._swept_at = time.monotonic()
            await in_database_thread(queue.sweep_expired)
        runs = await in_database_thread(queue.claim_runs, owner=self.owner, limit=free)
        for run in runs:
            if self._is_draining:
                await in_database_thread(queue.give_back, {run.id: run.lease_token})
                continue
            self._start(run)

    def _start(self, run: Run) -> None:
        if run.head_seq == 0:
            metrics.queue_wait.observe(max(0.0, time.time() - run.accepted_at.timestamp()))
        hub.publish(run.id, (NUDGE,))
        # Mail may have come in while nobody held the run; the first boundary looks.
        task = asyncio.create_task(self.execute(run, has_mail=run.head_seq > 0))
        self._tasks.add(task)  # at once: the next claim counts what is started, not what runs
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: self._wake.set())

    # Chores

    def _held(self) -> dict[str, str]:
        return {run_id: item.run.lease_token for run_id, item in self._executions.items()}

    async def _keep_leases(self) -> None:
        while True:
            # Well within the lease, however short: late once, it would still be in time.
            await asyncio.sleep(min(HEARTBEAT_SECONDS, settings.STARPORT_LEASE_SECONDS / 3))
            try:
                await in_database_thread(queue.extend_leases, self._held())
            except Exception:
                logger.exception("the heartbeat failed")

    async def _forget(self) -> None:
        while True:
            try:
                await in_database_thread(forget_old_records)
            except Exception:
                logger.exception("forgetting old records failed")
            await asyncio.sleep(RETENTION_SECONDS)

    async def _follow_settings(self) -> None:
        """What an operator changes in any process acts here within a second."""
        while True:
            await asyncio.sleep(operator_settings.REFRESH_SECONDS)
            try:
                await in_database_thread(operator_settings.refresh)
            except Exception:
                logger.exception("reading the live settings failed")

    async def _wake_sleepers(self) -> None:
        """Queue runs when their timer or deadline passes, whoever put them to sleep."""
        while True:
            self._timers_changed.clear()
            wait = WATCH_SECONDS
            try:
                await in_database_thread(queue.wake_due_runs)
                due = await in_database_thread(queue.next_wake_ns)
                if due is not None:
                    wait = min(WATCH_SECONDS, max(0.0, (due - now_ns()) / 1e9))
            except Exception:
                logger.exception("looking after timers failed")
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._timers_changed.wait()

    async def _watch(self) -> None:
        """Notice what other processes did to the runs executing here."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            held = self._held()
            if not held:
                continue
            try:
                report = await in_database_thread(queue.check_leases, held)
            except Exception:
                logger.exception("looking after leases failed")
                continue
            for run_id in report.lost:
                execution = self._executions.get(run_id)
                if execution is not None and execution.run.lease_token == held[run_id]:
                    execution.drop()
            for run_id in report.with_mail:
                self._tell_mail(run_id)

    # Stopping

    def begin_drain(self) -> None:
        """Claim nothing more, and stop every run at its next step boundary."""
        self._is_draining = True
        self._wake.set()
        for execution in self._executions.values():
            execution.is_draining = True

    async def drain(self, timeout_seconds: float) -> None:
        """Claim nothing more, let running steps end, give the rest back."""
        self.begin_drain()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_seconds)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5.0)
        for chore in self._chores:
            chore.cancel()
        await asyncio.gather(*self._chores, return_exceptions=True)
        await in_database_thread(queue.void_leases_of, self.owner)
        await asyncio.to_thread(self.writer.close)
        if self._mcp is not None:
            await self._mcp.stop()
