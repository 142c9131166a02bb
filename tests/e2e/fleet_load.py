"""What it costs to watch a fleet, whether rounds keep their pace, and what a hanging backend does.

    python -m tests.e2e.fleet_load --instances 500 --interval 30 --rounds 6

Promised are, for five hundred instances polled every thirty seconds: less than 5 % of one core for
all that the server does, recording included; rounds that do not drift; and with a backend that
answers no poll, no more connections than polls may run at a time, rounds in the same pace, and all
instances polled in the first round after it has recovered. The exit code is 0 when that held.
"""

import argparse
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.core.background import cpu_seconds, resident_kib
from bench.core.machine import this_machine
from tests.instances.fake_backend import FakeBackend, Seen
from tests.instances.faults import Hang
from tests.server import RunningServer, backing_services, clean_environment, launch

MOST_CPU_PERCENT = 5.0
MOST_DRIFT_SECONDS = 1.0
MOST_CONNECTIONS = 32
KEY = "the-key-of-the-load"


@dataclass
class Load:
    cpu_percent: float = 0.0
    idle_percent: float = 0.0  # of the same server before its first round
    worst_round: float = 0.0  # seconds from the list to the last poll
    drift: float = 0.0  # seconds, of the last round
    more_files: int = 0  # open connections that a hanging backend added, at the worst moment
    grown_kib: float = 0.0  # of memory while it hung
    broken: list[str] = field(default_factory=list)  # promises, as sentences; none about time

    def expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.broken.append(otherwise)


def run_load(*, instances: int, interval: int, rounds: int, hanging: int, data_dir: Path) -> Load:
    """One load on a fresh server: rounds as they should be, then some of a hanging backend."""
    backend = FakeBackend(key=KEY)
    for number in range(instances):
        backend.add(name=f"load-{number}")
    configured = {
        "STARPOD_INSTANCE_BACKEND_URL": backend.url,
        "STARPOD_INSTANCE_API_KEY": KEY,
        "STARPORT_INSTANCE_POLL_SECONDS": str(interval),
    }
    with backing_services() as services:
        environment = clean_environment(data_dir, **services, **configured)
        server = launch(data_dir, environment, workers=0)
        try:
            return _drive(server, backend, instances, interval, rounds, hanging)
        finally:
            server.stop()
            backend.close()


def _drive(
    server: RunningServer,
    backend: FakeBackend,
    instances: int,
    interval: int,
    rounds: int,
    hanging: int,
) -> Load:
    load, pid = Load(), server.process.pid
    load.idle_percent = _cpu_percent_until(pid, backend, 1, interval)
    _wait_for_lists(backend, 2, interval)  # the first round made the rows; it is not counted
    load.cpu_percent = _cpu_percent_until(pid, backend, 2 + rounds, interval)
    _judge_rounds(load, backend, instances, interval)

    _let_it_hang(load, server, backend, interval, hanging)
    lists, polled = backend.counts["list"], backend.counts["health"]
    _wait_for_lists(backend, lists + 2, interval)
    load.expect(
        backend.counts["health"] - polled >= instances, "not all were polled after the hang"
    )
    load.drift = max(load.drift, _drift(backend.seen("list"), interval))
    load.expect(load.more_files <= MOST_CONNECTIONS, f"{load.more_files} connections more")
    return load


def _let_it_hang(
    load: Load, server: RunningServer, backend: FakeBackend, interval: int, rounds: int
) -> None:
    """For so many rounds."""
    pid = server.process.pid
    memory, files, lists = resident_kib(pid), _open_files(pid), backend.counts["list"]
    backend.fail("health", Hang())
    deadline = time.monotonic() + 60 + interval * rounds
    while backend.counts["list"] < lists + rounds + 1 and time.monotonic() < deadline:
        load.more_files = max(load.more_files, _open_files(pid) - files)
        time.sleep(0.05)
    load.grown_kib = resident_kib(pid) - memory
    backend.heal()


def _open_files(pid: int) -> int:
    """0 where the system does not tell."""
    folder = Path(f"/proc/{pid}/fd")
    return len(os.listdir(folder)) if folder.exists() else 0


def _judge_rounds(load: Load, backend: FakeBackend, instances: int, interval: int) -> None:
    lists, polls = backend.seen("list"), backend.seen("health")
    load.drift = _drift(lists, interval)
    for one, following in itertools.pairwise(lists):
        own = [poll for poll in polls if one.at <= poll.at < following.at]
        load.expect(
            len({poll.instance_id for poll in own}) == instances, "a round left instances out"
        )
        load.worst_round = max(load.worst_round, max(poll.at for poll in own) - one.at)


def _drift(lists: Sequence[Seen], interval: int) -> float:
    first = lists[0].at
    return max(abs(one.at - first - number * interval) for number, one in enumerate(lists))


def _cpu_percent_until(pid: int, backend: FakeBackend, lists: int, interval: int) -> float:
    began, used = time.monotonic(), cpu_seconds(pid)
    _wait_for_lists(backend, lists, interval)
    return (cpu_seconds(pid) - used) / (time.monotonic() - began) * 100


def _wait_for_lists(backend: FakeBackend, count: int, interval: int) -> None:
    deadline = time.monotonic() + 60 + interval * count
    while backend.counts["list"] < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the backend was asked {backend.counts['list']} times")
        time.sleep(0.01)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--instances", type=int, default=500)
    parser.add_argument("--interval", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--hanging", type=int, default=2, help="rounds of a hanging backend")
    options = parser.parse_args()
    print(this_machine())  # noqa: T201 - it is a script
    with tempfile.TemporaryDirectory() as folder:
        load = run_load(
            instances=options.instances,
            interval=options.interval,
            rounds=options.rounds,
            hanging=options.hanging,
            data_dir=Path(folder),
        )
    load.expect(load.drift <= MOST_DRIFT_SECONDS, f"rounds drifted by {load.drift:.1f} s")
    load.expect(load.cpu_percent < MOST_CPU_PERCENT, f"{load.cpu_percent:.1f} % of a core")
    print(  # noqa: T201
        f"{options.instances} instances every {options.interval} s, {options.rounds} rounds:"
        f" {load.cpu_percent:.2f} % of a core ({load.idle_percent:.2f} % before the first round),"
        f" worst round {load.worst_round:.1f} s, drift {load.drift:.2f} s; hanging backend:"
        f" {load.more_files} connections and {load.grown_kib:.0f} KiB of memory more;"
        f" {len(load.broken)} broken promises"
    )
    for sentence in load.broken[:10]:
        print(f"  {sentence}")  # noqa: T201
    return 1 if load.broken else 0


if __name__ == "__main__":
    sys.exit(main())
