"""Events made durable per second: the group-commit writer beside a raw cursor, in one process."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import uvloop
from django.conf import settings

from bench.workloads.sample_events import run_started, turn_events
from bench.yardsticks import raw_sqlite
from project.lib.db import write_transaction
from runs.log.append import RunTail, commit
from runs.log.codec import decode
from runs.log.validate import validate_run
from runs.log.writer import GroupCommitWriter
from runs.models import Run

_LEASE = "bench"
_RAW_RUNS = 32


def measure(*, concurrencies: list[int], events: int, repetitions: int) -> dict[str, float]:
    """Medians in events per second: `raw 1`, `raw 10`, and one for each number of runs."""
    payloads = [(item.kind, decode(item.encode())) for item in islice(turn_events(), events)]
    path = settings.DATA_DIR / "raw.sqlite3"
    _check_same_bytes()
    rates: dict[str, list[float]] = defaultdict(list)
    for _ in range(repetitions + 1):
        # Close together in time: the machine's moods hit the yardstick and the measured alike.
        for group in (1, 10):
            rates[f"raw {group}"].append(_raw_rate(path, payloads, group))
        for count in concurrencies:
            rates[str(count)].append(_writer_rate(count, events))
    return {name: median(values[1:]) for name, values in rates.items()}


def _raw_rate(path: Path, payloads: Sequence[tuple[int, dict[str, Any]]], group: int) -> float:
    return raw_sqlite.append_rate(path, payloads, runs=_RAW_RUNS, group=group)


def _writer_rate(concurrent: int, events: int) -> float:
    tails = _start_runs(concurrent)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rate = runner.run(_append_all(tails, events // concurrent))
    verdict = validate_run(tails[0].run_id)
    assert verdict.status == "in_progress", verdict
    return rate


def _start_runs(count: int) -> list[RunTail]:
    """Leased runs with their first event, as a worker holds them."""
    runs = [Run(goal="benchmark", lease_token=_LEASE, status="running") for _ in range(count)]
    tails = [RunTail(run.id, _LEASE) for run in runs]
    for tail in tails:
        tail.add(run_started())
    with write_transaction():
        Run.objects.bulk_create(runs)
        commit([tail.stage() for tail in tails])
    return tails


async def _append_all(tails: list[RunTail], events_each: int) -> float:
    writer = GroupCommitWriter()
    writer.start()
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for tail in tails:
            group.create_task(_append(writer, tail, events_each))
    seconds = time.perf_counter() - began
    await asyncio.to_thread(writer.close)
    return len(tails) * events_each / seconds


async def _append(writer: GroupCommitWriter, tail: RunTail, events: int) -> None:
    """One run: each event is durable before the next is made."""
    for payload in islice(turn_events(), events):
        tail.add(payload)
        await writer.append(tail.stage())


def _check_same_bytes() -> None:
    """The yardstick must do the same work: same payload bytes, same hashes."""
    tail, chain = RunTail("01BENCH"), raw_sqlite.Chain("01BENCH")
    for at, payload in enumerate(islice(turn_events(), 4), start=time.time_ns()):
        tail.add(payload, at)
        row = chain.next_row(payload.kind, decode(payload.encode()), at)
        stored = tail.stage().events[0]
        head = (stored.run_id, stored.seq, stored.prev_hash)
        assert row == (*head, at, stored.kind, stored.payload, stored.hash)
