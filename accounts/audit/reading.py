"""Reading the trail: what `GET /v1/audit` and `audit list` show, newest first."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import BooleanField, QuerySet
from django.db.models.expressions import RawSQL

from accounts.models import AuditHead, AuditRecord

# The condition of the index `audit_by_run`. SQLite takes a partial index only for a query that says
# the same, and what Django says has a parameter in the place of the ''.
_HAS_RUN = RawSQL("NOT (run_id = '')", (), output_field=BooleanField())

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """`since` is inclusive, `until` exclusive; what is `None` or empty does not matter."""

    kind: str | None = None
    actor: str | None = None
    run_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def matching(wanted: AuditFilter) -> QuerySet[AuditRecord]:
    """By the time of the fact: granted decisions are stored a moment after they were made."""
    found = AuditRecord.objects.filter(**_conditions(wanted)).order_by("-ts", "-seq")
    return found.filter(_HAS_RUN) if wanted.run_id else found


def list_records(wanted: AuditFilter, *, limit: int, offset: int) -> tuple[list[str], int]:
    """A page of records as JSON, and how many there are on all pages."""
    found = matching(wanted)
    page = list(found.values_list("record", flat=True)[offset : offset + limit])
    if len(page) < limit and (page or offset == 0):
        return page, offset + len(page)  # the last page tells the total by itself
    return page, found.count() if _conditions(wanted) else _count_all()


def _conditions(wanted: AuditFilter) -> dict[str, str | int]:
    conditions = {
        "fact_kind": wanted.kind,
        "actor": wanted.actor,
        "run_id": wanted.run_id,
        "ts__gte": _ns(wanted.since),
        "ts__lt": _ns(wanted.until),
    }
    return {name: value for name, value in conditions.items() if value not in (None, "")}


def _count_all() -> int:
    """The head has counted them."""
    head = AuditHead.objects.filter(pk=1).first()
    return head.seq if head else 0


def _ns(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // timedelta(microseconds=1) * 1_000
