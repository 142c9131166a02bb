"""How long somebody waits for a sign of life, and for the end, when the server is idle."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.core.api import Api, Stream
from bench.core.background import Listening, plain_application, starport
from bench.core.figure import Figure, Row, Scale, Target, at_most
from bench.core.numbers import Percentiles
from bench.core.surroundings import fresh_folder
from bench.workloads.scripts import FIVE_STEPS, ONE_TURN

_SAMPLES = {Scale.FULL: 300, Scale.QUICK: 100, Scale.TINY: 3}
_WARM_UP = 20
_PAUSE_SECONDS = 0.02  # between samples: the server shall be idle
_FIRST_EVENT = b"event: event"
_DONE = b"event: done"
_YARDSTICK = "plain ASGI: POST, then a stream with one frame"


@dataclass(frozen=True, slots=True)
class _Times:
    first_event: Percentiles
    done: Percentiles


def measure(scale: Scale) -> list[Row]:
    samples = _SAMPLES[scale]
    with fresh_folder() as folder, plain_application(folder) as server:
        plain = Percentiles.of(_plain(server, samples))
    with fresh_folder() as data, starport(data) as server:
        one_turn = _starport(server, ONE_TURN, samples)
        five_steps = _starport(server, FIVE_STEPS, samples)
    return [
        _row("submit to first event", one_turn.first_event, plain, (at_most(10.0),)),
        _row("submit to done, one turn", one_turn.done, plain),
        _row("submit to done, five steps", five_steps.done, plain),
    ]


def _row(
    label: str, measured: Percentiles, plain: Percentiles, targets: tuple[Target, ...] = ()
) -> Row:
    return Row(
        label=f"{label}, p50",
        value=measured.p50,
        unit="ms",
        yardstick=_YARDSTICK,
        yardstick_value=plain.p50,
        targets=targets,
        detail=f"p99 {measured.p99:.1f} ms, worst {measured.worst:.1f} ms of {measured.count}",
    )


def _starport(server: Listening, goal: str, samples: int) -> _Times:
    api = Api(server)
    first: list[float] = []
    done: list[float] = []

    def submit() -> float:
        stream = Stream(server)
        began = time.perf_counter()
        stream.open(f"/api/v1/runs/{api.start_run(goal)}/stream")
        first.append((stream.wait_for(_FIRST_EVENT) - began) * 1e3)
        done.append((stream.wait_for(_DONE) - began) * 1e3)
        stream.close()
        return done[-1]

    _repeat(submit, samples)
    api.close()
    return _Times(Percentiles.of(first[-samples:]), Percentiles.of(done[-samples:]))


def _plain(server: Listening, samples: int) -> list[float]:
    api = Api(server)

    def submit() -> float:
        stream = Stream(server)
        began = time.perf_counter()
        api.post("/echo", {"goal": ONE_TURN})
        stream.open("/one-event")
        waited = stream.wait_for(_FIRST_EVENT) - began
        stream.close()
        return waited * 1e3

    times = _repeat(submit, samples)
    api.close()
    return times


def _repeat(submit: Callable[[], float], samples: int) -> list[float]:
    """Milliseconds of each sample, after some that do not count."""
    times = []
    for _ in range(min(_WARM_UP, samples) + samples):
        times.append(submit())
        time.sleep(_PAUSE_SECONDS)
    return times[-samples:]


FIGURE = Figure("latency", "Waiting for one run on an idle server", measure)
