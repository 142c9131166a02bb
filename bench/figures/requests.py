"""Requests per second of the daemon's API, with a short and with a long table of runs."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from bench.core.api import Api
from bench.core.background import Listening, cpu_seconds, new_key, plain_application, starport
from bench.core.figure import Figure, Row, Scale, Target, at_least, ratio_at_least
from bench.core.isolated import MeasurementFailed, run_isolated
from bench.core.load import LoadReport, Request, load_for
from bench.core.surroundings import fresh_folder
from bench.workloads.scripts import ONE_TURN


@dataclass(frozen=True, slots=True)
class _Size:
    tables: tuple[int, ...]  # runs in the table, ascending
    connections: tuple[int, ...]
    seconds: float  # per load


_SIZES = {
    Scale.FULL: _Size((1_000, 100_000), (1, 16, 64), 4.0),
    Scale.QUICK: _Size((1_000, 10_000), (1, 16, 64), 2.0),
    Scale.TINY: _Size((20, 40), (16,), 0.1),
}
_WARM_UP_SECONDS = 1.0
_DRAIN_SECONDS = 120.0
#: Runs are accepted faster than four workers execute them; none shall be refused.
_FLAGS = ("--queue", "1000000")

_POST = "POST /api/v1/runs"
_ONE = "GET one run"
_PAGE = "GET page of 50 runs"
_EVENTS = "GET events of a run"
_TARGET_CONNECTIONS = 16
_TARGETS: dict[str, float] = {_POST: 600, _ONE: 1_000, _PAGE: 250}
_FLAT = 0.8  # of the short table's rate, in the long one


@dataclass(frozen=True, slots=True)
class _Table:
    """A server whose table has so many runs, and the ids of some of them."""

    runs: int
    server: Listening
    ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Load:
    """What one route did at one number of connections."""

    route: str
    connections: int
    runs: int  # in the table
    per_second: float
    plain_per_second: float
    detail: str


def measure(scale: Scale) -> list[Row]:
    """All servers are up together and take turns: a machine's moods hit every row alike."""
    size = _SIZES[scale]
    loads: list[_Load] = []
    with ExitStack() as stack:
        plain = stack.enter_context(plain_application(stack.enter_context(fresh_folder())))
        tables = [_table(stack, runs) for runs in size.tables]
        # POST is last, since it makes the tables longer.
        for route in (_ONE, _PAGE, _EVENTS, _POST):
            for connections in size.connections:
                loads += _take_turns(route, connections, plain, tables, size.seconds)
    return [_row(load) for load in loads] + _flatness(loads, size)


def _table(stack: ExitStack, runs: int) -> _Table:
    key = new_key()
    data = stack.enter_context(fresh_folder())
    ids = run_isolated("bench.workloads.tables:fill", data, runs=runs, key=key)
    return _Table(runs, stack.enter_context(starport(data, *_FLAGS, key=key)), ids)


def _take_turns(
    route: str, connections: int, plain: Listening, tables: Sequence[_Table], seconds: float
) -> list[_Load]:
    echo = Request("POST", "/echo", _body()) if route == _POST else Request("GET", "/json")
    plain_rate = _load(plain, [echo], connections, seconds).per_second
    measured = _post if route == _POST else _get
    loads = []
    for table in tables:
        report, detail = measured(table, route, connections, seconds)
        loads.append(_Load(route, connections, table.runs, report.per_second, plain_rate, detail))
    return loads


def _get(table: _Table, route: str, connections: int, seconds: float) -> tuple[LoadReport, str]:
    requests = {
        _ONE: [Request("GET", f"/api/v1/runs/{run_id}") for run_id in table.ids],
        _PAGE: [Request("GET", "/api/v1/runs?limit=50")],
        _EVENTS: [Request("GET", f"/api/v1/runs/{run_id}/events") for run_id in table.ids],
    }[route]
    _load(table.server, requests, connections, min(_WARM_UP_SECONDS, seconds))
    cpu = cpu_seconds(table.server.pid)
    report = _load(table.server, requests, connections, seconds)
    cpu = cpu_seconds(table.server.pid) - cpu
    return report, f"{_latency(report)}; {cpu / report.answers * 1e3:.2f} ms of processor time"


def _post(table: _Table, route: str, connections: int, seconds: float) -> tuple[LoadReport, str]:
    """The workers execute what is accepted, in the same process and meanwhile."""
    api = Api(table.server)
    before = api.metric("starling_run_terminal_total")
    report = _load(table.server, [Request("POST", "/api/v1/runs", _body())], connections, seconds)
    finished = api.metric("starling_run_terminal_total") - before
    if not api.wait_until_idle(_DRAIN_SECONDS):
        raise MeasurementFailed("the accepted runs were not executed in time")
    api.close()
    return report, f"{_latency(report)}; {finished / report.seconds:.0f} runs/s finished meanwhile"


def _load(
    server: Listening, requests: Sequence[Request], connections: int, seconds: float
) -> LoadReport:
    report = load_for(server, requests, connections=connections, seconds=seconds)
    if report.failed or not report.answers:
        raise MeasurementFailed(f"{requests[0]}: {report.failed} of {report.answers} failed")
    return report


def _body() -> str:
    return json.dumps({"goal": ONE_TURN})


def _latency(report: LoadReport) -> str:
    return f"p50 {report.p50_ms:.1f} ms, p99 {report.p99_ms:.1f} ms"


def _row(load: _Load) -> Row:
    targets: tuple[Target, ...] = ()
    if load.connections == _TARGET_CONNECTIONS and load.route in _TARGETS:
        targets = (at_least(_TARGETS[load.route]),)
    many = "s" if load.connections > 1 else ""
    return Row(
        label=f"{load.route}, {load.connections} connection{many}, {load.runs:,} runs",
        value=load.per_second,
        unit="requests/s",
        yardstick="plain ASGI echo, same connections",
        yardstick_value=load.plain_per_second,
        targets=targets,
        detail=load.detail,
    )


def _flatness(loads: Sequence[_Load], size: _Size) -> list[Row]:
    """The page from the longest table beside the same page from the shortest."""
    first, last = size.tables[0], size.tables[-1]
    rates = {
        load.runs: load.per_second
        for load in loads
        if (load.route, load.connections) == (_PAGE, _TARGET_CONNECTIONS)
    }
    return [
        Row(
            label=f"{_PAGE}, {_TARGET_CONNECTIONS} connections, {last:,} beside {first:,} runs",
            value=rates[last],
            unit="requests/s",
            yardstick=f"the same with {first:,} runs",
            yardstick_value=rates[first],
            targets=(ratio_at_least(_FLAT),),
        )
    ]


FIGURE = Figure("requests", "Requests per second of the API", measure)
