"""Health samples of a period, made few by the database: a chart has no use for thousands."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db.models import Avg, BigIntegerField, Func, Max

from instances.models import HealthSample
from instances.operator_settings import MonitorSettings
from instances.pages.sparklines import Series, Sparkline, draw

Values = list[float | None]


class SpanNumber(Func):
    """Which of the equal spans since 1970 a moment lies in."""

    output_field = BigIntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        # The literal %s has to come through two formattings.
        template = "CAST(strftime('%%%%s', %(expressions)s) AS INTEGER) / %(seconds)d"
        return self.as_sql(compiler, connection, template=template, **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "FLOOR(EXTRACT(EPOCH FROM %(expressions)s) / %(seconds)d)::bigint"
        return self.as_sql(compiler, connection, template=template, **context)


@dataclass(frozen=True, slots=True)
class Period:
    """`count` equal spans, the last of which is the current one."""

    words: str
    seconds: int
    count: int

    @property
    def span_seconds(self) -> int:
        return max(1, self.seconds // self.count)

    def first_span(self, now: datetime) -> int:
        return int(now.timestamp()) // self.span_seconds - self.count + 1


@dataclass(slots=True)
class Measured:
    """Of one instance, a value for each span: means of the load, the oldest heartbeat."""

    cpu_percent: Values = field(default_factory=list)
    memory_mb: Values = field(default_factory=list)
    heartbeat_age: Values = field(default_factory=list)

    @classmethod
    def empty(cls, count: int) -> "Measured":
        return cls([None] * count, [None] * count, [None] * count)


def measure(instance_ids: Collection[str], period: Period, now: datetime) -> Mapping[str, Measured]:
    """Every one of them is in the answer; one query however many there are."""
    found = {instance_id: Measured.empty(period.count) for instance_id in instance_ids}
    first = period.first_span(now)
    since = datetime.fromtimestamp(first * period.span_seconds, UTC)
    rows = (
        HealthSample.objects.filter(instance__in=found, at__gte=since, at__lte=now)
        .order_by()
        .annotate(span=SpanNumber("at", seconds=period.span_seconds))
        .values_list("instance_id", "span")
        .annotate(cpu=Avg("cpu_percent"), memory=Avg("memory_mb"), age=Max("heartbeat_age"))
    )
    for instance_id, span, cpu, memory, age in rows:
        place = min(span - first, period.count - 1)
        measured = found[instance_id]
        measured.cpu_percent[place] = float(cpu)
        measured.memory_mb[place] = float(memory)
        measured.heartbeat_age[place] = float(max(age, 0))
    return found


def cpu_chart(measured: Measured, period: Period, rules: MonitorSettings) -> Sparkline:
    return draw(
        Series(
            f"CPU, {period.words}",
            "%",
            measured.cpu_percent,
            top=100,
            bridged=_bridged(period, rules),
        )
    )


def charts(measured: Measured, period: Period, rules: MonitorSettings) -> list[Sparkline]:
    """CPU, memory, and the age of the heartbeat with what is too old."""
    bridged = _bridged(period, rules)
    known = [value for value in measured.memory_mb if value is not None]
    memory = Series(
        f"Memory, {period.words}",
        "MB",
        measured.memory_mb,
        top=1.25 * max(known, default=0),
        bridged=bridged,
    )
    heartbeat = Series(
        f"Age of the heartbeat, {period.words}",
        "s",
        measured.heartbeat_age,
        limit=rules.heartbeat_timeout,
        bridged=bridged,
    )
    return [cpu_chart(measured, period, rules), draw(memory), draw(heartbeat)]


def _bridged(period: Period, rules: MonitorSettings) -> int:
    """Spans without a sample that only say that the monitor looks less often."""
    return 2 * rules.poll_seconds // period.span_seconds
