"""Asking many instances how they are: some at a time, not all at once, and none for too long."""

import asyncio
import logging
import random
import time
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from django.utils import timezone

from instances import metrics
from instances.backends import Backend
from instances.services.rounds import Poll

logger = logging.getLogger(__name__)

#: Below the connections that a client of a backend has: restarts need some, too.
PARALLEL = 24
#: Polls that begin together. Alone, each would wake the process: that costs a quarter more.
HANDFUL = 8
NAMED_IN_LOG = 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that the parts of a round may take."""

    poll: float
    round: float
    spread: float  # over which polls begin

    @classmethod
    def of(cls, interval: float) -> "Limits":
        """A round ends before the next one is due, unless that is a matter of few seconds."""
        poll = min(max(interval / 3, 2.0), 10.0)
        return cls(poll=poll, round=max(interval * 0.9, 1.5 * poll), spread=interval / 3)


@dataclass(slots=True)
class Polls:
    """What came of one round."""

    answered: dict[str, Poll] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)  # in a word of the metrics
    skipped: int = 0  # there was no time to ask them
    begun: set[str] = field(default_factory=set)


class Poller:
    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._failing: dict[str, str] = {}

    async def poll(self, instance_ids: Collection[str], limits: Limits, seconds: float) -> Polls:
        """Ask them all; after `seconds` it is over."""
        polls, slots = Polls(), asyncio.Semaphore(PARALLEL)
        try:
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
                for instance_id, wait in _spread_out(instance_ids, limits.spread):
                    group.create_task(self._poll_one(instance_id, wait, limits, slots, polls))
        except TimeoutError:
            for instance_id in polls.begun - polls.answered.keys() - polls.failed.keys():
                polls.failed[instance_id] = "timed_out"
        skipped = set(instance_ids) - polls.begun
        polls.skipped = len(skipped)
        self._report(polls)
        still = {one: kind for one, kind in self._failing.items() if one in skipped}
        self._failing = still | polls.failed
        return polls

    async def _poll_one(
        self,
        instance_id: str,
        wait: float,
        limits: Limits,
        slots: asyncio.Semaphore,
        polls: Polls,
    ) -> None:
        await asyncio.sleep(wait)
        async with slots:
            polls.begun.add(instance_id)
            began = time.perf_counter()
            try:
                async with asyncio.timeout(limits.poll):
                    health = await self._backend.health(instance_id)
            except Exception as error:
                polls.failed[instance_id] = kind = metrics.kind_of(error)
                if kind == "unexpected" and self._failing.get(instance_id) != kind:
                    logger.exception("a poll failed", extra={"instance_id": instance_id})
                return
            metrics.poll_duration.observe(time.perf_counter() - began)
            polls.answered[instance_id] = Poll(health, timezone.now())

    def _report(self, polls: Polls) -> None:
        """To the metrics all of it, to the log what was not so in the round before."""
        metrics.polls_skipped.inc(polls.skipped)
        fresh: dict[str, list[str]] = defaultdict(list)
        for instance_id, kind in polls.failed.items():
            metrics.poll_failures.labels(kind).inc()
            if self._failing.get(instance_id) != kind:
                fresh[kind].append(instance_id)
        for kind, ids in fresh.items():
            _log(logging.WARNING, "the health of instances cannot be read", ids, kind=kind)
        if again := sorted(self._failing.keys() & polls.answered.keys()):
            _log(logging.INFO, "the health of instances can be read again", again)
        if polls.skipped:
            logger.warning("a round had no time for all", extra={"skipped": polls.skipped})


def _spread_out(instance_ids: Collection[str], seconds: float) -> Iterator[tuple[str, float]]:
    """Each with the moment of its handful: evenly, a little off, in another order each time."""
    shuffled = random.sample(list(instance_ids), len(instance_ids))
    step = seconds * HANDFUL / max(HANDFUL, len(shuffled))
    for first in range(0, len(shuffled), HANDFUL):
        moment = first / HANDFUL * step + random.random() * step  # noqa: S311 - no secret
        for instance_id in shuffled[first : first + HANDFUL]:
            yield instance_id, moment


def _log(level: int, what: str, ids: list[str], **facts: object) -> None:
    named = {"instances": ids[:NAMED_IN_LOG], "count": len(ids)}
    logger.log(level, what, extra={**named, **facts})
