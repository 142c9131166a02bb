"""What kind of machine the numbers come from, and whether it was quiet."""

import os
import platform
import sqlite3
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]

#: A load average per core above which absolute numbers say little.
BUSY = 0.25


@dataclass(frozen=True, slots=True)
class Machine:
    cores: int
    kind: str
    python: str
    sqlite: str
    revision: str
    load: float  # processes that ran or waited for a core in the last minute, before the start
    loop_ms: float  # what a million additions in Python take: how fast a core was for us

    @property
    def is_busy(self) -> bool:
        return self.load > BUSY * self.cores

    def __str__(self) -> str:
        return (
            f"{self.cores} cores, {self.kind}, Python {self.python}, SQLite {self.sqlite},"
            f" load {self.load:.1f} before the start, {self.loop_ms:.0f} ms for a million additions"
        )


def this_machine() -> Machine:
    return Machine(
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else _cores(),
        kind=f"{platform.machine()} {platform.system()}",
        python=platform.python_version(),
        sqlite=sqlite3.sqlite_version,
        revision=_revision(),
        load=os.getloadavg()[0],
        loop_ms=median([_loop_ms() for _ in range(5)]),
    )


def _loop_ms() -> float:
    began = time.perf_counter()
    total = 0
    for number in range(1_000_000):
        total += number
    return (time.perf_counter() - began) * 1e3


def _cores() -> int:
    return os.cpu_count() or 1


def _revision() -> str:
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or "unknown"
