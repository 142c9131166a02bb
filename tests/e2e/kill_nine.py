"""Kill a server again and again in the middle of its work, and prove that its logs are whole.

    python -m tests.e2e.kill_nine --kills 50 --runs 20 --seed 7

SQLite in a data folder, or a fresh database on the server that `DATABASE_URL` names. The exit code
is 0 when every promise held; broken ones are printed. The same seed chooses the same goals and
moments, but what the server is doing at those moments is up to the machine.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.e2e.driving import ENDED, WITH_FAULT_TOOLS, Driver
from tests.e2e.snapshots import Snapshot, changed, query, read_events
from tests.server import RunningServer, backing_services, clean_environment, launch, start_manage

LONGEST_LIFE_SECONDS = 1.5  # from a server's start to its end
#: One start in so many is cut off before the server is ready.
UNREADY_KILLS = 6
END_SECONDS = 180.0
_COMPLETED, _FAILED, _RESUMED = 7, 8, 15


def text(pick: random.Random) -> str:
    return f"Tell me about {pick.choice(['rain', 'tea', 'the sea'])}"


def turns(pick: random.Random) -> str:
    turn = '!say thinking\n!tool calculate {"expression": "6*7"}\n!turn\n'
    return turn * pick.randint(2, 5) + "!say that is all"


def parallel(pick: random.Random) -> str:
    calls = [f'!tool upsert {{"seconds": {pick.uniform(0, 0.6):.2f}}}' for _ in range(4)]
    return "\n".join([*calls, "!tool now {}", "!turn", "!say stored"])


def sleep(pick: random.Random) -> str:
    return f"!say wait\n!sleep {pick.uniform(0.1, 1.0):.2f}\n!say for me"


def transfer(pick: random.Random) -> str:
    call = f'!tool transfer {{"seconds": {pick.uniform(0, 0.5):.2f}}}\n!turn\n'
    return call * pick.randint(1, 3) + "!say transferred"


def mixed(pick: random.Random) -> str:
    calls = ['!tool transfer {"seconds": 0.3}', '!tool upsert {"seconds": 0.4}'] * 2
    pick.shuffle(calls)
    return "\n".join([*calls, "!turn", "!tool transfer {}", "!turn", "!say both"])


def long_stream(pick: random.Random) -> str:
    return f"!repeat {pick.randint(500, 4000)} on and on"


GOALS: tuple[Callable[[random.Random], str], ...] = (
    text, turns, parallel, sleep, transfer, mixed, long_stream,
)  # fmt: skip


@dataclass
class Campaign:
    """One server under fire, and what was seen of it."""

    server: RunningServer
    pick: random.Random
    runs: int  # to keep going at a time
    goals: dict[str, str] = field(default_factory=dict)  # by Idempotency-Key, in posting order
    accepted: dict[str, str] = field(default_factory=dict)  # key → run id
    retried: int = 0
    kills: int = 0
    broken: list[str] = field(default_factory=list)  # promises, as sentences
    recorded: Snapshot = field(default_factory=dict)

    def fire(self, kills: int) -> None:
        """Kill it `kills` times."""
        while self.kills < kills:
            self._work_until_killed()
            self._compare()
            if self.kills < kills and self.kills % UNREADY_KILLS == 0:
                self._kill_in_start()
            self.server.start_again()

    def _work_until_killed(self) -> None:
        life = self.pick.uniform(0.05, LONGEST_LIFE_SECONDS)
        timer = threading.Timer(life, os.kill, (self.server.process.pid, signal.SIGKILL))
        timer.start()
        with suppress(httpx.TransportError):
            self._retry_unanswered()
            while True:
                self._top_up()
                time.sleep(0.05)
        timer.join()
        self.server.kill()  # reaps it
        self.kills += 1

    def _kill_in_start(self) -> None:
        arguments = ["serve", "--addr", "127.0.0.1:0", "--data", str(self.server.data_dir)]
        starting = start_manage(
            *arguments, *self.server.flags,
            environment=self.server.environment, log_dir=self.server.data_dir,
        )  # fmt: skip
        time.sleep(self.pick.uniform(0.0, 2.5))
        starting.kill()
        self.kills += 1
        self._compare()

    def _top_up(self) -> None:
        listed = self.server.client.get("/api/v1/runs?status=in+progress&limit=1")
        going_on = listed.json()["total"]
        for _ in range(max(1, self.runs - going_on) if going_on < 2 * self.runs else 0):
            self._post_new()

    def _post_new(self) -> None:
        key = f"key-{len(self.goals)}"
        self.goals[key] = self.pick.choice(GOALS)(self.pick)
        self._post(key)

    def _post(self, key: str) -> None:
        run_id = Driver(self.server).start(self.goals[key], key=key)
        if self.accepted.setdefault(key, run_id) != run_id:
            self.broken.append(f"{key} made two runs, {self.accepted[key]} and {run_id}")

    def _retry_unanswered(self) -> None:
        """The reply was lost; whether the run exists is for the server to know."""
        for key in self.goals:
            if key not in self.accepted:
                self._post(key)
                self.retried += 1
        if self.accepted:  # and a reply that did arrive may be asked for again
            self._post(self.pick.choice(list(self.accepted)))

    def _compare(self) -> None:
        now = read_events(self.server.data_dir, self.server.environment)
        for run_id, seq in changed(self.recorded, now):
            self.broken.append(f"event {seq} of {run_id} changed after kill {self.kills}")
        self.recorded = now

    def finish(self) -> None:
        """Leave it in peace until everything has ended; then check everything."""
        self._retry_unanswered()
        self._await_ends()
        self._compare()
        self._check_runs()
        self._check_outcomes()
        self._check_effects()
        validated = self.server.manage("runs", "validate")
        if validated.returncode != 0:
            bad = [line for line in validated.stdout.splitlines() if "OK" not in line]
            self.broken.append(f"runs validate: {bad[:5]}")
        if "Traceback" in self.server.errors():
            self.broken.append(f"a server wrote a traceback: {self.server.errors()[-2000:]}")

    def _await_ends(self) -> None:
        driver, deadline = Driver(self.server), time.monotonic() + END_SECONDS
        waiting = list(self.accepted.values())
        while waiting and time.monotonic() < deadline:
            waiting = [run_id for run_id in waiting if not _has_ended(driver, run_id)]
            time.sleep(0.2)
        for run_id in waiting:
            self.broken.append(f"{run_id} did not end: {driver.kinds(run_id)}")

    def _check_runs(self) -> None:
        rows = self._query("SELECT id, status, error FROM runs_run")
        if {row[0] for row in rows} != set(self.accepted.values()):
            self.broken.append(f"{len(rows)} runs from {len(self.accepted)} keys")
        for run_id, status, error in rows:
            if status != "done":
                self.broken.append(f"{run_id} is {status}: {error}")

    def _check_outcomes(self) -> None:
        outcomes: Counter[tuple[str, str, int]] = Counter()
        finals: Counter[tuple[str, str]] = Counter()
        for (run_id, _), event in self.recorded.items():
            if event.kind in (_COMPLETED, _FAILED):
                data = event.data
                outcomes[run_id, data["call_id"], data["attempt"]] += 1
                finals[run_id, data["call_id"]] += event.kind == _COMPLETED or data["final"]
        for counts in (outcomes, finals):
            twice = [key for key, count in counts.items() if count > 1]
            self.broken += [f"more than one outcome of {key}" for key in twice]

    def _check_effects(self) -> None:
        for key, count in Driver(self.server).traces("transfer").items():
            if count > 1:
                self.broken.append(f"transfer ran {count} times for {key}")

    def _query(self, statement: str) -> list[tuple[str, ...]]:
        return query(self.server.data_dir, self.server.environment, statement)

    @property
    def takeovers(self) -> int:
        return sum(event.kind == _RESUMED for event in self.recorded.values())

    def report(self) -> str:
        interrupted = sum(
            event.kind == _FAILED and event.data["error_type"] == "interrupted"
            for event in self.recorded.values()
        )
        driver = Driver(self.server)
        again = sum(count - 1 for count in driver.traces("upsert").values())
        facts = [
            f"{self.kills} kills, {len(self.accepted)} runs accepted, {self.retried} POSTs retried",
            f"{len(self.recorded)} events, {self.takeovers} takeovers",
            f"{driver.traces('transfer').total()} transfers made, {interrupted} interrupted",
            f"{again} idempotent calls made again",
            f"{len(self.broken)} promises broken",
        ]
        return "\n".join([*facts, *self.broken[:20]])


def _has_ended(driver: Driver, run_id: str) -> bool:
    return driver.detail(run_id)["status"] in ENDED


def run_campaign(*, kills: int, runs: int, seed: int, data_dir: Path) -> Campaign:
    with backing_services() as services:
        environment = clean_environment(data_dir, **services, **WITH_FAULT_TOOLS)
        flags = ["--workers", str(runs), "--queue", str(50 * runs)]
        server = launch(data_dir, environment, flags)
        try:
            campaign = Campaign(server, random.Random(seed), runs)
            campaign.fire(kills)
            campaign.finish()
        except BaseException:
            server.kill()
            raise
        if (code := server.stop()) != 0:
            campaign.broken.append(f"the last server ended with {code}")
        return campaign


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--runs", type=int, default=20, help="how many to keep going at a time")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--data", type=Path, help="default: a new folder, kept if a promise broke")
    options = parser.parse_args()
    data_dir = options.data or Path(tempfile.mkdtemp(prefix="starport-kill-nine-"))
    data_dir.mkdir(parents=True, exist_ok=True)
    campaign = run_campaign(
        kills=options.kills, runs=options.runs, seed=options.seed, data_dir=data_dir
    )
    print(f"seed {options.seed}, data in {data_dir}\n{campaign.report()}")  # noqa: T201
    return 1 if campaign.broken else 0


if __name__ == "__main__":
    sys.exit(main())
