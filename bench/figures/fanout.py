"""One run, many watchers: whether every one gets every event, and how late."""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.core.api import Api
from bench.core.background import Listening, cpu_seconds, plain_application, starport
from bench.core.figure import Figure, Row, Scale, Target, at_most
from bench.core.isolated import MeasurementFailed
from bench.core.numbers import Percentiles
from bench.core.subscribers import SocketSubscriber, Subscriber, subscribe
from bench.core.surroundings import fresh_folder
from bench.workloads.scripts import paced_turns


@dataclass(frozen=True, slots=True)
class _Size:
    subscribers: int
    turns: int
    seconds_per_turn: float
    unpaced_turns: int


_SIZES = {
    Scale.FULL: _Size(200, 100, 0.08, 300),
    Scale.QUICK: _Size(200, 40, 0.08, 150),
    Scale.TINY: _Size(3, 3, 0.02, 5),
}
_EVENTS_PER_TURN = 4  # of a paced run
_CHUNKS_PER_TURN = 2  # commits, hence deliveries to each subscriber
_PADDING = 180  # characters; makes a plain frame as long as an event's on average
_HEAD_START_SECONDS = 3.0  # for two hundred streams to be opened
_PATIENCE_SECONDS = 120.0
_TARGETS: tuple[Target, ...] = (at_most(25.0),)

#: The events of such a run that a WebSocket tells of; an event stream tells of all.
_WITH_A_FRAME = frozenset(
    {
        "RunStarted",
        "AssistantMessageCompleted",
        "ToolCallScheduled",
        "ToolCallCompleted",
        "RunCompleted",
    }
)

_GRAPH = {
    "ir_version": "1.1.0",
    "id": "bench-unlimited",
    "nodes": [{"id": "agent", "kind": "agent", "config": {"tools": ["calculate"], "max_turns": 0}}],
}


@dataclass(frozen=True, slots=True)
class _Delivered:
    """Deliveries to all subscribers once all of them were watching."""

    late_ms: Percentiles
    per_second: float
    cpu_us: float  # of the server, per delivery


def measure(scale: Scale) -> list[Row]:
    size = _SIZES[scale]
    paced = paced_turns(size.turns, size.seconds_per_turn)
    unpaced = paced_turns(size.unpaced_turns, 0)
    with fresh_folder() as folder, plain_application(folder) as server:
        plain_many = asyncio.run(_plain(server, size, size.subscribers))
        plain_one = asyncio.run(_plain(server, size, 1))
    with fresh_folder() as data:
        graphs = _write_graph(data / "graphs")
        room = {"STARPORT_STREAM_SUBSCRIBERS": str(size.subscribers)}
        with starport(data, "--graphs", str(graphs), variables=room) as server:
            one = asyncio.run(_starport(server, paced, 1))
            many = asyncio.run(_starport(server, paced, size.subscribers))
            sockets = asyncio.run(_starport(server, paced, size.subscribers, kind=SocketSubscriber))
            fast = asyncio.run(_starport(server, unpaced, 1))
    return [
        _row("1 subscriber", one, plain_one),
        _row(f"{size.subscribers} subscribers", many, plain_many, _TARGETS),
        _row(f"{size.subscribers} WebSockets", sockets, plain_many),
        _row("1 subscriber, run at full speed", fast, plain_one),
    ]


def _row(
    label: str, measured: _Delivered, plain: _Delivered, targets: tuple[Target, ...] = ()
) -> Row:
    late = measured.late_ms
    return Row(
        label=f"{label}, p99 from record to receipt",
        value=late.p99,
        unit="ms",
        yardstick="plain ASGI, the same number of frames and streams",
        yardstick_value=plain.late_ms.p99,
        targets=targets,
        detail=(
            f"all {late.count:,} delivered, {measured.per_second:,.0f}/s; p50 {late.p50:.1f} ms"
            f" (plain {plain.late_ms.p50:.1f} ms); {measured.cpu_us:.0f} µs of processor time each"
            f" (plain {plain.cpu_us:.0f} µs)"
        ),
    )


def _write_graph(folder: Path) -> Path:
    folder.mkdir()
    (folder / "unlimited.json").write_text(json.dumps(_GRAPH))
    return folder


async def _starport(
    server: Listening, script: str, subscribers: int, *, kind: type[Subscriber] = Subscriber
) -> _Delivered:
    """Everybody is watching before the run's first turn is over."""
    api = Api(server)
    goal = f"!sleep {_HEAD_START_SECONDS}\n{script}"
    run_id = await asyncio.to_thread(api.start_run, goal, graph_id=_GRAPH["id"])
    api_root = "/v1" if kind is SocketSubscriber else "/api/v1"
    paths = [f"{api_root}/runs/{run_id}/stream"] * subscribers
    watchers = await subscribe(server, paths, kind)
    everybody_watches_ns, cpu = time.time_ns(), cpu_seconds(server.pid)
    async with asyncio.timeout(_PATIENCE_SECONDS):
        await asyncio.gather(*(watcher.is_closed for watcher in watchers))
    cpu = cpu_seconds(server.pid) - cpu
    seqs = await asyncio.to_thread(_seqs_told, api, run_id, kind)
    api.close()
    return _delivered(watchers, seqs, cpu, since_ns=everybody_watches_ns)


def _seqs_told(api: Api, run_id: str, kind: type[Subscriber]) -> Sequence[int]:
    if kind is not SocketSubscriber:
        return range(1, json.loads(api.get(f"/api/v1/runs/{run_id}"))["last_seq"] + 1)
    events = json.loads(api.get(f"/api/v1/runs/{run_id}/events?limit=1000"))["events"]
    return [event["seq"] for event in events if event["kind"] in _WITH_A_FRAME]


async def _plain(server: Listening, size: _Size, subscribers: int) -> _Delivered:
    """As many frames of an event's size, two in a chunk, as a run commits them."""
    watchers = await subscribe(server, ["/stream"] * subscribers)
    order = {
        "chunks": size.turns * _CHUNKS_PER_TURN,
        "frames": _EVENTS_PER_TURN // _CHUNKS_PER_TURN,
        "interval": size.seconds_per_turn / _CHUNKS_PER_TURN,
        "padding": _PADDING,
    }
    api = Api(server)
    cpu = cpu_seconds(server.pid)
    await asyncio.to_thread(api.post, "/publish", order)
    api.close()
    async with asyncio.timeout(_PATIENCE_SECONDS):
        await asyncio.gather(*(watcher.is_closed for watcher in watchers))
    cpu = cpu_seconds(server.pid) - cpu
    seqs = range(1, size.turns * _EVENTS_PER_TURN + 1)
    return _delivered(watchers, seqs, cpu, since_ns=0)


def _delivered(
    watchers: Sequence[Subscriber], seqs: Sequence[int], cpu: float, *, since_ns: int
) -> _Delivered:
    """Raises `MeasurementFailed` unless every watcher got every event."""
    late_ms: list[float] = []
    recorded: list[int] = []
    for watcher in watchers:
        arrivals = watcher.arrivals()
        if sorted(arrivals) != list(seqs):
            raise MeasurementFailed(f"a stream brought {len(arrivals)} of {len(seqs)} events")
        live = [times for times in arrivals.values() if times[0] >= since_ns]
        late_ms += [(received - at) / 1e6 for at, received in live]
        recorded += [at for at, _ in live]
        watcher.close()
    seconds = (max(recorded) - min(recorded)) / 1e9
    per_second = len(late_ms) / seconds if seconds else 0.0
    return _Delivered(Percentiles.of(late_ms), per_second, cpu / len(late_ms) * 1e6)


FIGURE = Figure("fanout", "One run, many watchers", measure)
