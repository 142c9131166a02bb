"""The accounts are kept: each run that has ended gets its row, once, whoever appended its end.

Runs that ended are found by their end and not by what somebody was told of them, so a lost signal,
a crash between end and row, and runs of other processes are made up for by the same look.
"""

import asyncio
import logging
import threading
import time

from django.db.models import Exists, OuterRef, QuerySet

from chat.costs import alerts, known, limits
from chat.costs.usage import READ_COLUMNS, rows_of
from chat.models import UsageRow
from project.lib.db import write_transaction
from project.lib.pool import in_database_thread
from runs.engine.spending import Spender
from runs.models import Run

logger = logging.getLogger(__name__)

BATCH = 200
#: Seconds between two looks when nobody says that a run has ended here.
SWEEP_SECONDS = 2.0
#: Seconds for which ends are collected, so that busy servers write them together.
GATHER_SECONDS = 0.2
#: An end becomes visible with its commit, a moment after the time that it carries.
OVERLAP_NS = 10 * 1_000_000_000
#: What a look without memory covers; servers look at everything when they start.
RECENT_NS = 600 * 1_000_000_000


def sweep(since_ns: int = 0) -> int:
    """Record every run that ended since then and has no row; how many there were.

    Any number of processes may do this at once: of two rows of one run one is kept.
    """
    recorded = 0
    while batch := list(_unrecorded(since_ns)[:BATCH]):
        rows = rows_of(batch)
        with write_transaction():
            UsageRow.objects.bulk_create(rows, ignore_conflicts=True)
        recorded += len(rows)
        _warn({Spender.of(run.creator_id, run.api_key_id) for run in batch})
    return recorded


def sweep_recent() -> int:
    """For who looks every few seconds and remembers nothing of the last time."""
    return sweep(time.time_ns() - RECENT_NS)


def _unrecorded(since_ns: int) -> QuerySet[Run]:
    ended = Run.objects.filter(finished_ns__isnull=False, finished_ns__gt=since_ns)
    ended = ended.only(*READ_COLUMNS)
    in_accounts = Exists(UsageRow.objects.filter(run_id=OuterRef("pk")))
    return ended.exclude(in_accounts).order_by("finished_ns")


def _warn(spenders: set[Spender]) -> None:
    for spender in spenders:
        if known.may_apply(spender):
            try:
                alerts.warn_of(limits.standings(spender))
            except Exception:
                logger.exception("a warning about spending could not be given")


class Bookkeeper:
    """Looks whenever a run has ended in this process, and every two seconds in any case."""

    def __init__(self) -> None:
        self._ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._since_ns = 0  # the first look is at everything

    def nudge(self) -> None:
        """Called in any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ended.set)

    async def run(self) -> None:
        while True:
            self._ended.clear()
            await self.look()
            try:
                async with asyncio.timeout(SWEEP_SECONDS):
                    await self._ended.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(GATHER_SECONDS)

    async def look(self) -> None:
        began = time.time_ns()
        try:
            await in_database_thread(sweep, self._since_ns)
        except Exception:
            logger.exception("runs that ended could not be recorded in the accounts")
        else:
            self._since_ns = began - OVERLAP_NS


_bookkeeper: Bookkeeper | None = None
_lock = threading.Lock()


def set_bookkeeper(bookkeeper: Bookkeeper | None) -> None:
    """Name the one of this process, or none when it stops."""
    global _bookkeeper
    with _lock:
        _bookkeeper = bookkeeper


def run_has_ended() -> None:
    """Best effort: where nobody keeps the accounts, a server's or beat's next look finds it."""
    with _lock:
        bookkeeper = _bookkeeper
    if bookkeeper is not None:
        bookkeeper.nudge()
