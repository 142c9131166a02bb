"""What `/metrics` exports about instances. Labels are words of ours, never an instance's id."""

import os
from collections import Counter as CountedWords
from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram

from instances.errors import (
    BackendBusy,
    BackendTimedOut,
    InstanceNotFound,
    InstancesError,
    NotSupported,
    RequestRefused,
)
from instances.objects import Status

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

#: As of the last round of whoever watches them.
by_status = Gauge(
    "starport_instances", "Listed instances", ["status"], multiprocess_mode="mostrecent"
)
unreadable = Gauge(
    "starport_instances_unreadable",
    "Items of the backend's last list that could not be read",
    multiprocess_mode="mostrecent",
)
changes = Counter("starport_instance_changes_total", "Changes of status", ["status", "cause"])
restarts = Counter("starport_instance_restarts_total", "Restarts by the monitor", ["outcome"])
poll_duration = Histogram("starport_instance_poll_seconds", "One answered poll", buckets=SECONDS)
poll_failures = Counter("starport_instance_poll_failures_total", "Failed polls", ["kind"])
polls_skipped = Counter(
    "starport_instance_polls_skipped_total", "Instances that a round did not reach in its time"
)
rounds = Counter("starport_instance_rounds_total", "Rounds of the monitor", ["outcome"])
rounds_skipped = Counter(
    "starport_instance_rounds_skipped_total", "Rounds left out because the one before was late"
)
round_duration = Histogram("starport_instance_round_seconds", "One round", buckets=SECONDS)

_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (BackendTimedOut, "timed_out"),
    (TimeoutError, "timed_out"),
    (InstanceNotFound, "not_found"),
    (RequestRefused, "refused"),
    (BackendBusy, "busy"),
    (NotSupported, "not_supported"),
    (InstancesError, "failed"),
)


def status_changed(status: str, cause: str) -> None:
    changes.labels(status, cause).inc()


def kind_of(error: Exception) -> str:
    """What went wrong, in one of a few words."""
    return next((word for kind, word in _KINDS if isinstance(error, kind)), "unexpected")


def forget_statuses() -> None:
    """Whoever watches them now exports their numbers; ours would stay as they are for ever.

    Where processes share their numbers the newest count, so those of its successor do.
    """
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        by_status.clear()


def set_statuses(statuses: Iterable[str]) -> None:
    counted = CountedWords(statuses)
    for status in Status:
        by_status.labels(status.value).set(counted[status.value])
