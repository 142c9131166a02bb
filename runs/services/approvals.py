"""The approvals inbox: runs that wait for a human, and what they ask.

It is read from the logs: the newest event of a waiting run is its question.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from accounts import capabilities
from accounts.principals import Principal
from runs.errors import RunNotFound
from runs.event_types import InputRequested
from runs.log.events import StoredEvent
from runs.log.read import read_events, read_heads
from runs.models import Event, Run, RunQuerySet

#: Questions read at a time when all of them are looked through.
BATCH = 1_000

_STEP = re.compile(r"\d+")
_COLUMNS = ("id", "graph_id", "actor")
_Row = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Approval:
    """A question that a run waits with."""

    run_id: str
    graph_id: str
    started_by: str  # actor
    seq: int  # of the event that asks
    requested_ns: int
    asked: InputRequested

    @property
    def step(self) -> int:
        """Of the run, however deep in it the question is; 0 where there is one step only."""
        found = _STEP.match(self.asked.path)
        return int(found[0]) if found else 0

    def is_overdue(self, now_ns: int) -> bool:
        return 0 < self.asked.deadline_ns <= now_ns

    def is_for(self, caller: Principal) -> bool:
        """Whether the caller is one of those whom the run asks."""
        requested = self.asked.requested_capability
        may_respond = caller.can(capabilities.RUNS_RESPOND)
        return may_respond and (not requested or caller.holds(requested))

    def is_open_to(self, caller: Principal, now_ns: int) -> bool:
        """Whether an answer of the caller would count now."""
        return self.is_for(caller) and not self.is_overdue(now_ns)


@dataclass(frozen=True, slots=True)
class Settled:
    """A question that is open no more, and the kind of event that settled it."""

    seq: int  # of the event that asked
    asked: InputRequested
    by_kind: str
    by_actor: str  # "" unless somebody answered
    settled_ns: int


@dataclass(frozen=True, slots=True)
class ApprovalFilter:
    """`is_mine`: only what the caller is asked."""

    graph_id: str | None = None
    is_mine: bool = False


def list_approvals(
    caller: Principal, wanted: ApprovalFilter, *, limit: int, offset: int
) -> tuple[list[Approval], int]:
    """A page, the oldest question first, and how many there are on all pages."""
    found = _matching(Run.objects.visible_to(caller), wanted)
    if wanted.is_mine:
        mine = _all_for(caller, found)
        return mine[offset : offset + limit], len(mine)
    rows: list[_Row] = list(found.values_list(*_COLUMNS)[offset : offset + limit])
    approvals = _approvals_of(rows)
    if len(rows) < limit and (rows or offset == 0):
        return approvals, offset + len(rows)  # the last page tells the total by itself
    return approvals, found.count()


def find_approval(caller: Principal, run_id: str) -> Approval | None:
    """What the run asks; `None` when it waits for nobody.

    Raises `RunNotFound` for a run that is not there, or not for this caller to see.
    """
    row = Run.objects.visible_to(caller).filter(pk=run_id).values_list(*_COLUMNS, "status").first()
    if row is None:
        raise RunNotFound(f"there is no run {run_id}")
    *columns, status = row
    if status != Run.Status.AWAITING_INPUT:
        return None
    return next(iter(_approvals_of([tuple(columns)])), None)


def find_settled(run_id: str, seq: int | None = None) -> Settled | None:
    """What became of the question at `seq`, else of the last one; for who may see the run."""
    if seq is None:
        asking = Event.objects.filter(run_id=run_id, kind=InputRequested.kind).order_by("-seq")
        seq = asking.values_list("seq", flat=True).first()
        if seq is None:
            return None
    # Nothing but what ends the wait is appended while a run waits.
    events = read_events(run_id, after=seq - 1, limit=2)
    asked = _asked_in(events[0]) if len(events) == 2 and events[0].seq == seq else None
    if asked is None:
        return None
    ending = events[1]
    return Settled(seq, asked, ending.kind_name, ending.data.get("actor", ""), ending.ts)


def count_waiting(*, at_most: int) -> int:
    """Runs that wait for a human, whoever that is; not counted any further than `at_most`."""
    return len(Run.objects.all().waiting().values_list("pk")[:at_most])


def _matching(visible: RunQuerySet, wanted: ApprovalFilter) -> RunQuerySet:
    waiting = visible.waiting().order_by("last_event_ns", "id")
    return waiting if wanted.graph_id is None else waiting.filter(graph_id=wanted.graph_id)


def _all_for(caller: Principal, found: RunQuerySet) -> list[Approval]:
    """Every question for the caller; whom a run asks is in its log, where no query can filter."""
    if not caller.can(capabilities.RUNS_RESPOND):
        return []
    rows: list[_Row] = list(found.values_list(*_COLUMNS))
    return [
        approval
        for start in range(0, len(rows), BATCH)
        for approval in _approvals_of(rows[start : start + BATCH])
        if approval.is_for(caller)
    ]


def _approvals_of(rows: Sequence[_Row]) -> list[Approval]:
    """Without runs that were answered since their row was read."""
    heads = read_heads([run_id for run_id, _, _ in rows])
    approvals = []
    for run_id, graph_id, actor in rows:
        event = heads.get(run_id)
        asked = _asked_in(event) if event else None
        if event and asked:
            approvals.append(Approval(run_id, graph_id, actor, event.seq, event.ts, asked))
    return approvals


def _asked_in(event: StoredEvent) -> InputRequested | None:
    """`None` also when the payload is lost, which is for `runs validate` to report."""
    if event.kind != InputRequested.kind or event.payload is None:
        return None
    return InputRequested.from_map(event.data)
