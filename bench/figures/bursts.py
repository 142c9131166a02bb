"""Whole five-step runs per second: the engine alone, a real server, and DBOS."""

import json
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.core.api import Api
from bench.core.background import Listening, cpu_seconds, starport
from bench.core.figure import Figure, Row, Scale, Target, at_least, ratio_at_least
from bench.core.isolated import MeasurementFailed, run_isolated, run_plain
from bench.core.load import Request, load_of
from bench.core.surroundings import fresh_folder
from bench.workloads.scripts import FIVE_STEP_EVENTS, FIVE_STEPS


@dataclass(frozen=True, slots=True)
class _Size:
    runs: int  # in a burst
    dbos_runs: int  # a rate, so fewer will do
    repetitions: int  # after one that warms up


_SIZES = {
    Scale.FULL: _Size(500, 150, 3),
    Scale.QUICK: _Size(500, 60, 1),
    Scale.TINY: _Size(10, 3, 1),
}
_TARGETS: tuple[Target, ...] = (ratio_at_least(15), at_least(600))
_WORKERS = 32
_DEFAULT_WORKERS = 4
_CONNECTIONS = 16
_QUEUE = "100000"
_YARDSTICK = "DBOS, the same five steps"
_BURST_SECONDS = 300.0
_LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class _Burst:
    per_second: float
    cpu_ms: float  # of the process that executed the runs, per run


def measure(scale: Scale) -> list[Row]:
    size = _SIZES[scale]
    dbos = _dbos(size)
    queued, accepted = _engine(size)
    rows = [
        _row(f"engine, {_WORKERS} at a time, queued before", queued, dbos),
        _row(f"engine, {_WORKERS} at a time, acceptance too", accepted, dbos, _TARGETS),
    ]
    for workers, targets in ((_WORKERS, _TARGETS), (_DEFAULT_WORKERS, ())):
        label = f"POST to a server, {workers} at a time"
        rows.append(_row(label, _server(size, workers), dbos, targets))
    return rows


def _row(label: str, burst: _Burst, dbos: float, targets: tuple[Target, ...] = ()) -> Row:
    detail = f"{burst.cpu_ms:.2f} ms of processor time a run"
    return Row(label, burst.per_second, "runs/s", _YARDSTICK, dbos, targets, detail)


def _dbos(size: _Size) -> float:
    with fresh_folder() as folder:
        rate: float = run_plain(
            "bench.yardsticks.dbos_workflows:measure",
            folder,
            folder=str(folder),
            runs=size.dbos_runs,
            repetitions=size.repetitions,
        )
    return rate


def _engine(size: _Size) -> tuple[_Burst, _Burst]:
    """Queued before, and accepted meanwhile."""
    with fresh_folder() as data:
        found = run_isolated(
            "bench.workloads.bursts:measure",
            data,
            {"STARPORT_QUEUE": _QUEUE},
            runs=size.runs,
            workers=_WORKERS,
            repetitions=size.repetitions,
        )
    return _Burst(**found["queued"]), _Burst(**found["accepted"])


def _server(size: _Size, workers: int) -> _Burst:
    """From the first request to the end of the last run, by the times in the logs."""
    flags = ("--workers", str(workers), "--queue", _QUEUE)
    with fresh_folder() as data, starport(data, *flags) as server:
        bursts = [_burst(server, data, size.runs) for _ in range(size.repetitions + 1)][1:]
    return _Burst(
        median(burst.per_second for burst in bursts), median(burst.cpu_ms for burst in bursts)
    )


def _burst(server: Listening, data: Path, runs: int) -> _Burst:
    api = Api(server)
    ended_before = int(api.metric("starling_run_terminal_total"))
    cpu = cpu_seconds(server.pid)
    body = json.dumps({"goal": FIVE_STEPS})
    report = load_of(
        server,
        [Request("POST", "/api/v1/runs", body)],
        connections=_CONNECTIONS,
        count=runs,
        seconds=_BURST_SECONDS,
    )
    if report.failed:
        raise MeasurementFailed(f"{report.failed} of {runs} runs were refused")
    api.close()
    last_ns = _wait_for_last(data / "starport.sqlite3", ended_before + runs)
    cpu = cpu_seconds(server.pid) - cpu
    return _Burst(runs / ((last_ns - report.began_ns) / 1e9), cpu / runs * 1e3)


def _wait_for_last(database: Path, expected: int) -> int:
    """When the last of `expected` runs ended. Asks the file: the server has enough to do."""
    reader = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    deadline = time.monotonic() + _BURST_SECONDS
    try:
        while time.monotonic() < deadline:
            done, last_ns = reader.execute(
                "SELECT count(*), max(finished_ns) FROM runs_run"
                " WHERE status = 'done' AND head_seq = ?",
                [FIVE_STEP_EVENTS],
            ).fetchone()
            if done >= expected:
                return int(last_ns)
            time.sleep(_LOOK_SECONDS)
    finally:
        reader.close()
    raise MeasurementFailed(f"{done} of {expected} runs were done in time")


FIGURE = Figure("bursts", "Five-step runs finished per second", measure)
