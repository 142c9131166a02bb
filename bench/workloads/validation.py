"""Checking one long log: Starport's `validate` beside plain Python."""

import time
from collections.abc import Callable
from itertools import islice
from statistics import median

from django.conf import settings

from bench.workloads.sample_events import run_started, turn_events
from bench.yardsticks import plain_validation
from project.lib.db import write_transaction
from runs.log.append import RunTail, commit
from runs.log.validate import validate_run
from runs.models import Run

_LEASE = "bench"
_EVENTS_PER_COMMIT = 1_000


def measure(*, events: int, repetitions: int) -> dict[str, float]:
    """Medians in milliseconds: `starport` and `plain`."""
    run_id = _make_log(events)
    database = settings.DATA_DIR / "starport.sqlite3"
    assert plain_validation.check(database, run_id) == events
    assert validate_run(run_id).is_valid
    starport: list[float] = []
    plain: list[float] = []
    for _ in range(repetitions):
        starport.append(_milliseconds(lambda: validate_run(run_id)))
        plain.append(_milliseconds(lambda: plain_validation.check(database, run_id)))
    return {"starport": median(starport), "plain": median(plain)}


def _make_log(events: int) -> str:
    """A run that took very many turns. Call ids repeat, each closed before it comes again."""
    run = Run.objects.create(goal="benchmark", lease_token=_LEASE, status="running")
    tail = RunTail(run.id, _LEASE)
    tail.add(run_started())
    for number, payload in enumerate(islice(turn_events(), events - 2), start=1):
        tail.add(payload)
        if number % _EVENTS_PER_COMMIT == 0:
            _commit(tail)
    tail.add_completed("twenty")
    _commit(tail)
    return run.id


def _commit(tail: RunTail) -> None:
    with write_transaction():
        commit([tail.stage()])


def _milliseconds(check: Callable[[], object]) -> float:
    began = time.perf_counter()
    check()
    return (time.perf_counter() - began) * 1e3
