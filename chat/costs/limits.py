"""What users and keys may spend, and how far they are. Times are UTC.

Spent is what ended runs used in the period, by their start, and what runs that work in it have
used so far.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from chat.costs import known
from chat.models import SpendingLimit, UsageRow
from runs.engine.spending import LimitReached, Spender
from runs.models import Run

#: Ended runs without a row in the accounts are at most so old, unless nobody keeps them.
_UNRECORDED = timedelta(minutes=10)
_OPEN = (
    Run.Status.PENDING,
    Run.Status.RUNNING,
    Run.Status.PAUSED,
    Run.Status.AWAITING_INPUT,
)


@dataclass(frozen=True, slots=True)
class Standing:
    """A limit and how much of it is gone."""

    limit_id: str  # of the row or the key; one limit warns once a period
    user_id: str
    api_key_id: str  # empty for a user's limit
    period: str  # day, month; empty for a key's, which counts its whole life
    since: datetime | None
    cap_usd: float
    spent_usd: float

    @property
    def is_reached(self) -> bool:
        return self.spent_usd >= self.cap_usd

    @property
    def words(self) -> str:
        whose = f"a {self.period}" if self.period else "for this API key"
        return f"{self.cap_usd:g} USD {whose}"


def as_reached(standing: Standing) -> LimitReached:
    return LimitReached(
        standing.words,
        standing.cap_usd,
        standing.spent_usd,
        _seconds_left(standing.period, timezone.now()) if standing.period else None,
    )


def standings(spender: Spender) -> list[Standing]:
    """Every limit that applies to a spender, the shortest period first."""
    now = timezone.now()
    found = []
    if spender.user_id:
        for limit in known.limits_of_user(spender.user_id):
            since = start_of(limit.period, now)
            spent = spent_by_user(spender.user_id, since)
            found.append(
                Standing(
                    limit.limit_id, spender.user_id, "", limit.period, since, limit.cap_usd, spent
                )
            )
    key_id = spender.api_key_id
    cap = known.limit_of_key(key_id) if key_id else None
    if cap is not None:
        spent = spent_by_key(key_id)
        found.append(Standing(key_id, spender.user_id, key_id, "", None, cap, spent))
    return found


def start_of(period: str, now: datetime) -> datetime:
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight if period == SpendingLimit.Period.DAY else midnight.replace(day=1)


def spent_by_user(user_id: str, since: datetime) -> float:
    rows = UsageRow.objects.filter(user_id=user_id, timestamp__gte=since)
    since_ns = int(since.timestamp() * 1e9)
    # A run counts by its start; one that waits since before the period spends nothing in it.
    runs = Q(creator_id=user_id) & (Q(started_ns__gte=since_ns) | Q(last_event_ns__gte=since_ns))
    ended = Q(creator_id=user_id, started_ns__gte=since_ns)
    return _sum_of_rows(rows) + _sum_of_runs(open_ones=runs, ended_ones=ended)


def spent_by_key(key_id: str) -> float:
    rows = UsageRow.objects.filter(api_key_id=key_id)
    runs = Q(api_key_id=key_id)
    return _sum_of_rows(rows) + _sum_of_runs(open_ones=runs, ended_ones=runs)


def _sum_of_rows(rows: QuerySet[UsageRow]) -> float:
    return rows.aggregate(total=Sum("cost_usd"))["total"] or 0.0


def _sum_of_runs(*, open_ones: Q, ended_ones: Q) -> float:
    """Runs that are not in the accounts: those under way, and those that ended a moment ago."""
    recently_ns = int((timezone.now() - _UNRECORDED).timestamp() * 1e9)
    under_way = Run.objects.filter(open_ones, status__in=_OPEN)
    ended = Run.objects.filter(ended_ones, finished_ns__gte=recently_ns)
    ended = ended.exclude(Exists(UsageRow.objects.filter(run_id=OuterRef("pk"))))
    return sum(runs.aggregate(total=Sum("cost_usd"))["total"] or 0.0 for runs in (under_way, ended))


def _seconds_left(period: str, now: datetime) -> int:
    """Until the period ends, at least one."""
    following = start_of(period, now) + timedelta(days=1 if period == "day" else 31)
    return max(1, int((start_of(period, following) - now).total_seconds()))
