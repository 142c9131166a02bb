"""What an idle stream and a waiting run cost a server in resident memory."""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.core.api import Api
from bench.core.background import Listening, plain_application, resident_kib, starport
from bench.core.figure import Figure, Row, Scale
from bench.core.isolated import MeasurementFailed, run_plain
from bench.core.load import Request, load_of
from bench.core.subscribers import Subscriber, subscribe
from bench.core.surroundings import fresh_folder
from bench.workloads.scripts import ONE_TURN, WAITING


@dataclass(frozen=True, slots=True)
class _Size:
    streams: int
    runs: int


_SIZES = {
    Scale.FULL: _Size(1_000, 1_000),
    Scale.QUICK: _Size(1_000, 1_000),
    Scale.TINY: _Size(4, 4),
}
_FLAGS = ("--workers", "32", "--queue", "100000")
_WARM_UP = 100  # runs and streams that come and go first, so that pools and caches are filled
_CONNECTIONS = 8
_SECONDS = 300.0
_LOOK_SECONDS = 0.1
_PARKED_TASKS = 20_000


def measure(scale: Scale) -> list[Row]:
    size = _SIZES[scale]
    with fresh_folder() as folder:
        parked = run_plain("bench.yardsticks.parked_tasks:measure", folder, tasks=_PARKED_TASKS)
    with fresh_folder() as folder, plain_application(folder) as server:
        plain = asyncio.run(_plain_streams(server, size.streams))
    with fresh_folder() as data, starport(data, *_FLAGS) as server:
        idle, per_run, per_stream = asyncio.run(_starport(server, size))
    return [
        Row(
            label=f"waiting run, of {size.runs:,}",
            value=per_run,
            unit="KiB",
            yardstick="a parked asyncio task",
            yardstick_value=parked,
            detail=f"the server itself {idle / 1024:.0f} MiB after {_WARM_UP} runs and streams",
        ),
        Row(
            label=f"idle stream, of {size.streams:,}",
            value=per_stream,
            unit="KiB",
            yardstick="an idle stream of a plain ASGI application",
            yardstick_value=plain,
        ),
    ]


async def _starport(server: Listening, size: _Size) -> tuple[float, float, float]:
    """KiB: of the idle server, per waiting run, per idle stream."""
    api = Api(server)
    _start(server, ONE_TURN, _WARM_UP)
    _start(server, WAITING, 1)
    first = await asyncio.to_thread(_wait_for_waiting, api, 1)
    await _close(await subscribe(server, _paths(first * _WARM_UP)))
    idle = resident_kib(server.pid)

    _start(server, WAITING, size.runs)
    waiting = await asyncio.to_thread(_wait_for_waiting, api, size.runs + 1)
    with_runs = resident_kib(server.pid)

    chosen = (waiting * (size.streams // len(waiting) + 1))[: size.streams]
    streams = await subscribe(server, _paths(chosen))
    with_streams = resident_kib(server.pid)
    await _close(streams)
    api.close()
    return idle, (with_runs - idle) / size.runs, (with_streams - with_runs) / size.streams


async def _plain_streams(server: Listening, count: int) -> float:
    await _close(await subscribe(server, ["/stream"] * _WARM_UP))
    before = resident_kib(server.pid)
    streams = await subscribe(server, ["/stream"] * count)
    grown = resident_kib(server.pid) - before
    await _close(streams)
    return grown / count


def _start(server: Listening, goal: str, count: int) -> None:
    post = Request("POST", "/api/v1/runs", json.dumps({"goal": goal}))
    report = load_of(server, [post], connections=_CONNECTIONS, count=count, seconds=_SECONDS)
    if report.failed:
        raise MeasurementFailed(f"{report.failed} of {count} runs were refused")


def _wait_for_waiting(api: Api, count: int) -> list[str]:
    """Ids of the waiting runs, once there are so many and nothing executes."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        found = _waiting(api, count)
        if len(found) >= count and api.metric("starlingd_workers_busy") == 0:
            return found
        time.sleep(_LOOK_SECONDS)
    raise MeasurementFailed(f"{len(found)} of {count} runs wait for input")


def _waiting(api: Api, count: int) -> list[str]:
    ids: list[str] = []
    for offset in range(0, count, 200):
        page = json.loads(api.get(f"/api/v1/runs?status=in_progress&limit=200&offset={offset}"))
        ids += [run["run_id"] for run in page["runs"]]
    return ids


def _paths(run_ids: Sequence[str]) -> list[str]:
    return [f"/api/v1/runs/{run_id}/stream" for run_id in run_ids]


async def _close(streams: Sequence[Subscriber]) -> None:
    for stream in streams:
        stream.close()
    await asyncio.sleep(_LOOK_SECONDS)


FIGURE = Figure("memory", "Memory of what waits", measure)
