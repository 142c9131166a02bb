"""Whole runs finished per second by the real engine, without HTTP."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from statistics import median

import uvloop
from django.conf import settings
from django.db import connection
from django.db.models import Max

from bench.workloads.scripts import FIVE_STEP_EVENTS, FIVE_STEPS
from project.lib.pool import in_database_thread
from runs import dispatch
from runs.engine.service import Engine
from runs.log.validate import validate_run
from runs.models import Run
from runs.services.starting import StartRequest, start_run

_LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Burst:
    per_second: float
    cpu_ms: float  # of this process, per run


def measure(*, runs: int, workers: int, repetitions: int) -> dict[str, dict[str, float]]:
    """Medians: `accepted` counts the acceptance too, `queued` does not."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_measure(runs, workers, repetitions))


async def _measure(runs: int, workers: int, repetitions: int) -> dict[str, dict[str, float]]:
    accepted = [await _burst(runs, workers, is_queued=False) for _ in range(repetitions + 1)]
    queued = [await _burst(runs, workers, is_queued=True) for _ in range(repetitions + 1)]
    return {"accepted": _medians(accepted[1:]), "queued": _medians(queued[1:])}


def _medians(bursts: Sequence[Burst]) -> dict[str, float]:
    return {
        "per_second": median(burst.per_second for burst in bursts),
        "cpu_ms": median(burst.cpu_ms for burst in bursts),
    }


async def _burst(runs: int, workers: int, *, is_queued: bool) -> Burst:
    await in_database_thread(_forget_everything)
    engine = Engine(workers=workers, owner="bench")
    if is_queued:
        await _accept(runs)
    began_ns, cpu = time.time_ns(), time.process_time()
    await engine.start()
    dispatch.set_engine(engine)
    if not is_queued:
        await _accept(runs)
    while await in_database_thread(_is_unfinished):  # noqa: ASYNC110 - rows signal nothing
        await asyncio.sleep(_LOOK_SECONDS)
    cpu = time.process_time() - cpu
    dispatch.set_engine(None)
    await engine.drain(5.0)
    ended_ns = await in_database_thread(_check_and_find_end, runs)
    return Burst(runs / ((ended_ns - began_ns) / 1e9), cpu / runs * 1e3)


async def _accept(runs: int) -> None:
    """As requests do it: in threads of their own, not in those the engine claims with."""
    loop = asyncio.get_running_loop()
    accept = partial(start_run, StartRequest(goal=FIVE_STEPS), actor="bench", user_id=None)
    with ThreadPoolExecutor(settings.STARPORT_REQUEST_THREADS) as threads:
        await asyncio.gather(*(loop.run_in_executor(threads, accept) for _ in range(runs)))


def _is_unfinished() -> bool:
    return Run.objects.unfinished().exists()


def _check_and_find_end(runs: int) -> int:
    """Every run did all of its work. Returns when the last one ended, in Unix nanoseconds."""
    done = Run.objects.filter(status=Run.Status.DONE, head_seq=FIVE_STEP_EVENTS)
    assert done.count() == runs, list(Run.objects.values_list("status", "head_seq", "error")[:3])
    last = done.order_by("-finished_ns")[0]
    assert validate_run(last.id).is_valid
    ended: int = done.aggregate(end=Max("finished_ns"))["end"]
    return ended


def _forget_everything() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM runs_event")
    Run.objects.all().delete()
