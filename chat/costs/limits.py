"""What users and keys may spend, and how far they are. Times are UTC.

Spent is what ended runs used in the period, by their start, and what runs that work in it have
used so far. Limits are remembered for a second, so that nobody pays for them where there are none.
"""

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from accounts.models import ApiKey
from chat.models import SpendingLimit, UsageRow
from runs.engine.spending import LimitReached, Spender
from runs.models import Run

FRESH_SECONDS = 1.0
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


@dataclass(frozen=True, slots=True)
class _Known:
    """Every limit. `own` by user and period; `common`, by period, for who has none of their own."""

    own: dict[tuple[str, str], tuple[str, float]]
    common: dict[str, tuple[str, float]]
    keys: dict[str, float]

    def of_user(self, user_id: str) -> list[tuple[str, str, float]]:
        """Period, id and cap of what applies to a user."""
        periods = {period for user, period in self.own if user == user_id} | self.common.keys()
        found = [
            (period, *self.own.get((user_id, period), self.common.get(period, ("", 0.0))))
            for period in sorted(periods)
        ]
        return [entry for entry in found if entry[1]]


_NOTHING = _Known({}, {}, {})
_known = _NOTHING
_read_at = float("-inf")
_lock = threading.Lock()


def may_apply(spender: Spender) -> bool:
    if time.monotonic() - _read_at >= FRESH_SECONDS:
        return bool(spender.user_id or spender.api_key_id)  # only the database can tell
    return _applies(_known, spender)


def as_reached(standing: Standing) -> LimitReached:
    return LimitReached(
        standing.words,
        standing.cap_usd,
        standing.spent_usd,
        _seconds_left(standing.period, timezone.now()) if standing.period else None,
    )


def standings(spender: Spender) -> list[Standing]:
    """Every limit that applies to a spender, the shortest period first."""
    known = _current()
    if not _applies(known, spender):
        return []
    now = timezone.now()
    found = []
    if spender.user_id:
        for period, limit_id, cap in known.of_user(spender.user_id):
            since = start_of(period, now)
            spent = spent_by_user(spender.user_id, since)
            found.append(Standing(limit_id, spender.user_id, "", period, since, cap, spent))
    if spender.api_key_id in known.keys:
        key_id = spender.api_key_id
        cap, spent = known.keys[key_id], spent_by_key(key_id)
        found.append(Standing(key_id, spender.user_id, key_id, "", None, cap, spent))
    return found


def forget() -> None:
    """A limit was changed here: the next one who asks reads anew."""
    global _read_at
    _read_at = float("-inf")


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


def _applies(known: _Known, spender: Spender) -> bool:
    if spender.api_key_id in known.keys:
        return True
    if not spender.user_id:
        return False
    return bool(known.common) or any(user == spender.user_id for user, _ in known.own)


def _current() -> _Known:
    global _known, _read_at
    if time.monotonic() - _read_at >= FRESH_SECONDS:
        with _lock:
            if time.monotonic() - _read_at >= FRESH_SECONDS:
                began = time.monotonic()
                _known = _read()
                _read_at = began
    return _known


def _read() -> _Known:
    own: dict[tuple[str, str], tuple[str, float]] = {}
    common: dict[str, tuple[str, float]] = {}
    for limit in SpendingLimit.objects.all():
        entry = (limit.pk, float(limit.limit_usd))
        if limit.user_id is None:
            common[limit.period] = entry
        else:
            own[limit.user_id, limit.period] = entry
    limited = ApiKey.objects.filter(spending_limit_usd__isnull=False, revoked_at=None)
    keys = {key.pk: float(key.spending_limit_usd or 0) for key in limited}
    return _Known(own, common, keys)


def _seconds_left(period: str, now: datetime) -> int:
    """Until the period ends, at least one."""
    following = start_of(period, now) + timedelta(days=1 if period == "day" else 31)
    return max(1, int((start_of(period, following) - now).total_seconds()))
