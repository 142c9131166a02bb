"""A database with many finished runs, each with a real log, made through the real append."""

import time

from accounts.services.bootstrap import bootstrap_admin
from bench.workloads.sample_events import run_started, turn_events
from project.lib.db import write_transaction
from project.lib.ids import new_ulid
from runs.event_types import AssistantMessageCompleted, TurnStarted
from runs.log.append import RunTail, Staged, commit
from runs.log.validate import validate_run
from runs.models import Run

_RUNS_PER_COMMIT = 1_000
_EVENT_NS = 1_000_000  # between two events of a run
_RUN_NS = 50_000_000  # between two runs
_LEASE = "bench"


def fill(*, runs: int, key: str) -> list[str]:
    """Add runs of four events until there are `runs`; the ids of some of them, spread evenly."""
    bootstrap_admin(imported_key=key)
    missing = runs - Run.objects.count()
    for start in range(0, missing, _RUNS_PER_COMMIT):
        _add(min(_RUNS_PER_COMMIT, missing - start), offset=missing - start)
    ids = list(Run.objects.order_by("started_ns").values_list("id", flat=True))
    sample = ids[:: max(1, len(ids) // 500)][:500]
    assert validate_run(sample[0]).is_valid
    return sample


def _add(count: int, *, offset: int) -> None:
    """Runs that began in the past, the last of them `offset - count` places before now."""
    now = time.time_ns()
    rows: list[Run] = []
    staged: list[Staged] = []
    for place in range(offset, offset - count, -1):
        began_ns = now - place * _RUN_NS
        row = Run(
            id=new_ulid(began_ns // 1_000_000),
            goal=f"question {place}",
            lease_token=_LEASE,
            actor="bench",
        )
        rows.append(row)
        staged.append(_one_turn(row.id, began_ns))
    with write_transaction():
        Run.objects.bulk_create(rows)
        commit(staged)


def _one_turn(run_id: str, began_ns: int) -> Staged:
    """RunStarted, TurnStarted, AssistantMessageCompleted, RunCompleted."""
    tail = RunTail(run_id, _LEASE)
    tail.add(run_started(), began_ns)
    events = turn_events()
    for number in (1, 2):
        payload = next(events)
        assert isinstance(payload, TurnStarted | AssistantMessageCompleted)
        tail.add(payload, began_ns + number * _EVENT_NS)
    ended_ns = began_ns + 3 * _EVENT_NS
    tail.add(tail.completed("twenty", ended_ns), ended_ns)
    return tail.stage()
