"""What was spent in a period: in all, and by user, model, day, tool and source."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Count, QuerySet, Sum
from django.db.models.functions import TruncDate

from chat.models import UsageRow

#: How far back each period reaches; None: to the beginning.
PERIODS: dict[str, timedelta | None] = {
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
    "all": None,
}
DEFAULT_PERIOD = "30d"

_SUMS = {
    "cost": Sum("cost_usd"),
    "uncached": Sum("input_tokens"),
    "output": Sum("output_tokens"),
    "read": Sum("cache_read"),
    "write": Sum("cache_write"),
    "rows": Count("pk"),
}


def costs_of(period: str, *, now: datetime) -> dict[str, Any]:
    """The report as clients read it. `period` is one of `PERIODS`."""
    rows = _rows_since(PERIODS[period], now)
    return {
        **_totals(rows.aggregate(**_SUMS)),
        "by_user": _by(rows, "user_id", "user_id"),
        "by_model": _by(rows, "model", "model"),
        "by_day": _by_day(rows),
        "by_tool": _by_tool(rows.values_list("tools", flat=True)),
        "by_source": _by(rows, "source", "source"),
    }


def _rows_since(reach: timedelta | None, now: datetime) -> QuerySet[UsageRow]:
    rows = UsageRow.objects.order_by()
    return rows if reach is None else rows.filter(timestamp__gte=now - reach)


def _totals(sums: dict[str, Any]) -> dict[str, Any]:
    read, write = sums["read"] or 0, sums["write"] or 0
    return {
        "total_cost_usd": sums["cost"] or 0.0,
        "total_input_tokens": (sums["uncached"] or 0) + read + write,
        "total_output_tokens": sums["output"] or 0,
        "total_cache_read": read,
        "total_cache_write": write,
        "total_turns": sums["rows"],
    }


def _by(rows: QuerySet[UsageRow], column: str, name: str) -> list[dict[str, Any]]:
    """The dearest first."""
    groups = rows.values(column).annotate(**_SUMS).order_by("-cost", column)
    return [{name: group[column], **_totals(group)} for group in groups]


def _by_day(rows: QuerySet[UsageRow]) -> list[dict[str, Any]]:
    groups = (
        rows.annotate(day=TruncDate("timestamp", tzinfo=UTC))
        .values("day", "model")
        .annotate(cost=Sum("cost_usd"))
        .order_by("day", "model")
    )
    days: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for group in groups:
        days[group["day"].isoformat()].append({"model": group["model"], "cost_usd": group["cost"]})
    return [
        {
            "date": day,
            "total_cost_usd": sum(entry["cost_usd"] for entry in models),
            "by_model": models,
        }
        for day, models in days.items()
    ]


def _by_tool(rows: Iterable[dict[str, list[int]]]) -> list[dict[str, Any]]:
    """The most called first."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for tools in rows:
        for name, (invocations, errors) in tools.items():
            counts[name][0] += invocations
            counts[name][1] += errors
    return [
        {"tool_name": name, "invocations": invocations, "errors": errors}
        for name, (invocations, errors) in sorted(
            counts.items(), key=lambda entry: (-entry[1][0], entry[0])
        )
    ]
