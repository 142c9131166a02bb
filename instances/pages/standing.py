"""How an instance stands, and why, in the words of the pages."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Max, OuterRef, QuerySet, Subquery
from django.urls import reverse

from instances.backends import is_configured
from instances.models import HealthSample, Instance, RestartAttempt, StatusChange
from instances.objects import Status, is_instance_id
from instances.operator_settings import MonitorSettings
from instances.pages.formats import Moment, moment, moment_of

HOUR = timedelta(hours=1)
#: What an instance can be beside its status: the monitor's judgements of one that is silent.
STALE, RESTARTING, GIVEN_UP = "stale", "restarting", "given up"
#: Or running as far as anybody knows.
UNMEASURED = "not measured"
POLLS_MISSED = 3  # beyond the timeout of a heartbeat, before that is said

_CAUSES = {
    StatusChange.Cause.APPEARED: "as the backend listed it",
    StatusChange.Cause.DISAPPEARED: "the backend does not list it any more",
    StatusChange.Cause.REPORTED: "the backend says so",
    StatusChange.Cause.STALE: "its heartbeat is too old",
    StatusChange.Cause.RECOVERED: "its heartbeat is fresh again",
}


@dataclass(frozen=True, slots=True)
class Attempts:
    """Of the monitor to restart one instance, within the last hour."""

    count: int
    latest: datetime


@dataclass(frozen=True, slots=True)
class BackendState:
    """What is known of the backend itself, in words."""

    is_well: bool
    words: str
    heard: Moment | None = None


def told_why(rows: QuerySet[Instance]) -> QuerySet[Instance]:
    """With what their last change came from, and when they were measured last."""
    samples = HealthSample.objects.filter(instance=OuterRef("pk")).order_by("-at")
    last = StatusChange.objects.filter(instance=OuterRef("pk")).order_by("-at", "-id")
    return rows.annotate(
        last_cause=Subquery(last.values("cause")[:1]),
        last_actor=Subquery(last.values("actor")[:1]),
        sampled_at=Subquery(samples.values("at")[:1]),
    )


def attempts_of(instance_ids: Collection[str], now: datetime) -> Mapping[str, Attempts]:
    recent = RestartAttempt.objects.filter(instance__in=instance_ids, at__gt=now - HOUR)
    counted = recent.order_by().values_list("instance_id").annotate(Count("pk"), Max("at"))
    return {instance_id: Attempts(count, latest) for instance_id, count, latest in counted}


def unmeasured_since(row: Instance, rules: MonitorSettings, now: datetime) -> Moment | None:
    """Of one that ought to run, when its health has not been read for longer than it may be.

    Nothing is stale then: a backend that cannot tell is no reason to restart. But nobody knows.
    """
    if row.status != Status.RUNNING or row.stale_since is not None:
        return None
    moments = [row.status_since, row.started_at, getattr(row, "sampled_at", None)]
    known = [at.timestamp() for at in moments if at is not None]
    # A clock that goes ahead would hide it.
    known += [beat for beat in (row.last_heartbeat,) if beat and beat <= now.timestamp()]
    patience = rules.heartbeat_timeout + POLLS_MISSED * rules.poll_seconds
    latest = int(max(known))
    return moment_of(latest, now) if now.timestamp() - latest > patience else None


def group_of(row: Instance, attempts: Attempts | None, unmeasured: Moment | None) -> str:
    if unmeasured is not None:
        return UNMEASURED
    if row.stale_since is None:
        return row.status
    if row.given_up_at is not None:
        return GIVEN_UP
    is_restarted = attempts is not None and attempts.latest >= row.stale_since
    return RESTARTING if is_restarted else STALE


def why_of(row: Instance, cause: str | None, actor: str, unmeasured: Moment | None = None) -> str:
    """Why it is as it is. The backend's or the monitor's own words come before ours."""
    if unmeasured is not None:
        return f"not measured since {unmeasured.at.replace('T', ' ')}, {unmeasured.age} ago"
    if row.why or not cause:
        return row.why
    if cause == StatusChange.Cause.COMMAND:
        return f"by {actor}" if actor else "by a command"
    return _CAUSES[StatusChange.Cause(cause)]


def restarts_in_words(attempts: Attempts | None, rules: MonitorSettings) -> str:
    return f"{attempts.count} of {rules.restarts_per_hour}" if attempts else ""


def page_of(instance_id: str) -> str:
    return reverse("fleet-instance", args=[instance_id]) if is_instance_id(instance_id) else ""


def refresh_seconds(rules: MonitorSettings) -> int:
    """News come with the looks of the monitor; those of commands should not take long either."""
    return min(10, max(3, rules.poll_seconds // 3))


def backend_state(
    listed: Sequence[Instance], rules: MonitorSettings, now: datetime
) -> BackendState:
    """From when it last told of an instance, since nobody asks it for the sake of a page."""
    if not is_configured():
        return BackendState(False, "No backend is configured. This is what was known last.")
    if not listed:
        return BackendState(True, "The backend has no instances that are known here.")
    heard = max(row.last_seen_at for row in listed)
    silence = (now - heard).total_seconds()
    if silence > 2 * rules.poll_seconds + 30:
        words = "The backend cannot be reached, or nobody asks it. What follows is from"
        return BackendState(False, words, moment(heard, now))
    return BackendState(True, "The backend answered", moment(heard, now))
