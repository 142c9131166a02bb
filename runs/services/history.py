"""Every run that was ever accepted, newest first: what `/v1/runs` lists.

Unlike `runs.services.listing`, whose lists come from logs, this one has runs that never began.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.db.models import QuerySet

from accounts.principals import Principal
from runs.errors import RunNotFound
from runs.models import Run

TriggerSource = Literal["manual", "cron", "webhook"]
_OF_ITS_OWN: tuple[TriggerSource, ...] = ("cron", "webhook")  # everything else is `manual`


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """`since` is inclusive, `until` exclusive; both are about the time of acceptance."""

    status: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    trigger_source: str | None = None


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A run as its history shows it; the fields are columns of `Run`."""

    id: str
    status: str
    graph_id: str
    graph_hash: str
    trigger_source: str
    accepted_at: datetime
    last_event_ns: int | None
    finished_ns: int | None
    parent_id: str | None
    error_type: str
    error: str

    @property
    def trigger(self) -> TriggerSource:
        return next((source for source in _OF_ITS_OWN if source == self.trigger_source), "manual")


_COLUMNS = tuple(HistoryEntry.__dataclass_fields__)


def list_history(
    caller: Principal, wanted: HistoryFilter, *, limit: int, offset: int
) -> tuple[list[HistoryEntry], int]:
    """A page, and how many runs there are on all pages."""
    found = _matching(Run.objects.visible_to(caller), wanted)
    page = found.order_by("-accepted_at", "-id").values_list(*_COLUMNS)[offset : offset + limit]
    entries = [HistoryEntry(*row) for row in page]
    if len(entries) < limit and (entries or offset == 0):
        return entries, offset + len(entries)  # the last page tells the total by itself
    return entries, found.count()


def find_entry(caller: Principal, run_id: str) -> HistoryEntry:
    """Raises `RunNotFound` for a run that is not there, or not for this caller to see."""
    row = Run.objects.visible_to(caller).filter(pk=run_id).values_list(*_COLUMNS).first()
    if row is None:
        raise RunNotFound(f"there is no run {run_id}")
    return HistoryEntry(*row)


def _matching(visible: QuerySet[Run], wanted: HistoryFilter) -> QuerySet[Run]:
    if wanted.status is not None:
        visible = visible.filter(status=wanted.status)
    if wanted.since is not None:
        visible = visible.filter(accepted_at__gte=wanted.since)
    if wanted.until is not None:
        visible = visible.filter(accepted_at__lt=wanted.until)
    if wanted.trigger_source == "manual":
        visible = visible.exclude(trigger_source__in=_OF_ITS_OWN)
    elif wanted.trigger_source is not None:
        named = wanted.trigger_source in _OF_ITS_OWN
        visible = visible.filter(trigger_source=wanted.trigger_source) if named else visible.none()
    return visible
