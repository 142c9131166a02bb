"""How an instance stands, and why, in the words of the pages."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Max, OuterRef, QuerySet, Subquery
from django.urls import reverse

from instances.backends import is_configured
from instances.models import Instance, RestartAttempt, StatusChange
from instances.objects import is_instance_id
from instances.operator_settings import MonitorSettings
from instances.pages.formats import Moment, moment

HOUR = timedelta(hours=1)
#: What an instance can be beside its status: the monitor's judgements of one that is silent.
STALE, RESTARTING, GIVEN_UP = "stale", "restarting", "given up"

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
    """With what their last change came from."""
    last = StatusChange.objects.filter(instance=OuterRef("pk")).order_by("-at", "-id")
    return rows.annotate(
        last_cause=Subquery(last.values("cause")[:1]), last_actor=Subquery(last.values("actor")[:1])
    )


def attempts_of(instance_ids: Collection[str], now: datetime) -> Mapping[str, Attempts]:
    recent = RestartAttempt.objects.filter(instance__in=instance_ids, at__gt=now - HOUR)
    counted = recent.order_by().values_list("instance_id").annotate(Count("pk"), Max("at"))
    return {instance_id: Attempts(count, latest) for instance_id, count, latest in counted}


def group_of(row: Instance, attempts: Attempts | None) -> str:
    if row.stale_since is None:
        return row.status
    if row.given_up_at is not None:
        return GIVEN_UP
    is_restarted = attempts is not None and attempts.latest >= row.stale_since
    return RESTARTING if is_restarted else STALE


def why_of(row: Instance, cause: str | None, actor: str) -> str:
    """Why it is as it is. The backend's or the monitor's own words come before ours."""
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
