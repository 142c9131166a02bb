"""Steps per second of whole graph runs: the engine beside LangGraph, in one process."""

import asyncio
import itertools
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import median
from typing import Any

import uvloop
from django.conf import settings
from django.db import connection
from django.db.models import Max

from bench.yardsticks import langgraph_runs
from bench.yardsticks.langgraph_runs import ROUNDS, STEPS
from project.lib.pool import in_database_thread
from runs import dispatch
from runs.engine.service import Engine
from runs.graphs.registry import register
from runs.log.validate import validate_run
from runs.models import Run
from runs.services.starting import StartRequest, start_run

#: The start, three for each step, the end.
_EVENTS = 3 * STEPS + 2
_LOOK_SECONDS = 0.02
_DURABILITIES = ("sync", "async")


def _text(node_id: str, template: str, out: str) -> dict[str, Any]:
    return {"id": node_id, "kind": "template", "config": {"template": template, "out": out}}


_GRAPH = {
    "ir_version": "1.1.0",
    "id": "bench-steps",
    "state_schema": {
        "n": {"type": "str", "default": "0"},
        **{name: {"type": "str", "default": ""} for name in ("draft", "check", "note")},
    },
    "nodes": [
        _text("count", "{{ n | int + 1 }}", "n"),
        _text("write", "Draft {n} of {goal}", "draft"),
        _text("look", "{draft}: checked", "check"),
        _text("remember", "{check}, remembered", "note"),
    ],
    "rules": [
        {
            "id": "again",
            "node_id": "remember",
            "when": f"n | int < {ROUNDS}",
            "then": [{"kind": "goto", "target": "count"}],
        }
    ],
}


def measure(*, runs: int, at_a_time: list[int], repetitions: int) -> dict[str, dict[str, float]]:
    """Medians in steps per second, by how many runs are under way at a time.

    `starport`, and LangGraph's faster form for each durability: `sync` and `async`.
    """
    register(_GRAPH, source="bench", actor="bench")
    files = (settings.DATA_DIR / f"langgraph-{number}.sqlite3" for number in itertools.count())
    rates: dict[tuple[int, str], list[float]] = defaultdict(list)
    for _ in range(repetitions + 1):
        for count in at_a_time:
            # Close together in time: the machine's moods hit the yardstick and the measured alike.
            rates[count, "starport"].append(_in_loop(_starport_rate(runs, count)))
            for durability in _DURABILITIES:
                rates[count, durability].append(_langgraph_rate(files, runs, count, durability))
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for (count, name), values in rates.items():
        found[str(count)][name] = median(values[1:])
    return found


def _in_loop(work: Any) -> float:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rate: float = runner.run(work)
    return rate


def _langgraph_rate(files: Any, runs: int, at_a_time: int, durability: str) -> float:
    threaded = langgraph_runs.threaded_rate(next(files), runs, at_a_time, durability)
    asynchronous = _in_loop(langgraph_runs.async_rate(next(files), runs, at_a_time, durability))
    return max(threaded, asynchronous)


async def _starport_rate(runs: int, workers: int) -> float:
    """From the acceptance of the first run to the end of the last."""
    await in_database_thread(_forget_everything)
    engine = Engine(workers=workers, owner="bench")
    await engine.start()
    dispatch.set_engine(engine)
    began_ns = time.time_ns()
    await _accept(runs)
    while await in_database_thread(_is_unfinished):  # noqa: ASYNC110 - rows signal nothing
        await asyncio.sleep(_LOOK_SECONDS)
    dispatch.set_engine(None)
    await engine.drain(5.0)
    ended_ns = await in_database_thread(_check_and_find_end, runs)
    return runs * STEPS / ((ended_ns - began_ns) / 1e9)


async def _accept(runs: int) -> None:
    """As requests do it: in threads of their own, not in those the engine claims with."""
    loop = asyncio.get_running_loop()
    request = StartRequest(goal="benchmark", graph_id="bench-steps")
    accept = partial(start_run, request, actor="bench", user_id=None)
    with ThreadPoolExecutor(settings.STARPORT_REQUEST_THREADS) as threads:
        await asyncio.gather(*(loop.run_in_executor(threads, accept) for _ in range(runs)))


def _is_unfinished() -> bool:
    return Run.objects.unfinished().exists()


def _check_and_find_end(runs: int) -> int:
    """Every run took all of its steps. Returns when the last one ended, in Unix nanoseconds."""
    done = Run.objects.filter(status=Run.Status.DONE, head_seq=_EVENTS)
    assert done.count() == runs, list(Run.objects.values_list("status", "head_seq", "error")[:3])
    last = done.order_by("-finished_ns")[0]
    assert last.final_text == f"Draft {ROUNDS} of benchmark: checked, remembered"
    assert validate_run(last.id).is_valid
    ended: int = done.aggregate(end=Max("finished_ns"))["end"]
    return ended


def _forget_everything() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM runs_event")
    Run.objects.all().delete()
