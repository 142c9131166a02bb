"""Everything `/metrics` exports. Names and labels of `starling_*` are the daemon contract's.

Labels are bounded: a tool name that no registry knows is counted as `unknown`, a route by its
pattern.
"""

import functools
from typing import TypeVar

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

MetricT = TypeVar("MetricT", Counter, Gauge, Histogram)

# When a series was first counted is a series of its own, which doubles the page for nobody.
disable_created_metrics()  # type: ignore[no-untyped-call]

# Geometric series of the contract: 5 ms to 120 s for runs, 50 µs to 100 ms for appends.
RUN_BUCKETS = (
    0.005, 0.012508, 0.031288, 0.078266, 0.195783, 0.489751, 1.225113, 3.064624, 7.666165,
    19.176935, 47.97116, 120.0,
)  # fmt: skip
APPEND_BUCKETS = (
    0.00005, 0.000116346, 0.000270727, 0.000629961, 0.00146587, 0.00341095, 0.00793701,
    0.0184688, 0.0429753, 0.1,
)  # fmt: skip

runs_started = Counter("starling_runs_started_total", "Runs that began to execute")
runs_in_flight = Gauge("starling_runs_in_flight", "Runs executing now", multiprocess_mode="livesum")
run_terminal = Counter(
    "starling_run_terminal_total", "Runs that ended, by outcome", ["status", "error_type"]
)
run_duration = Histogram(
    "starling_run_duration_seconds", "First to last event", ["status"], buckets=RUN_BUCKETS
)
provider_calls = Counter("starling_provider_calls_total", "Model calls", ["model", "status"])
provider_call_duration = Histogram(
    "starling_provider_call_duration_seconds", "Model call", ["model"], buckets=RUN_BUCKETS
)
provider_tokens = Counter("starling_provider_tokens_total", "Tokens", ["model", "type"])
tool_calls = Counter(
    "starling_tool_calls_total", "Tool call attempts", ["tool", "status", "error_type"]
)
tool_call_duration = Histogram(
    "starling_tool_call_duration_seconds", "Tool call attempt", ["tool"], buckets=RUN_BUCKETS
)
eventlog_appends = Counter("starling_eventlog_appends_total", "Events", ["kind", "status"])
eventlog_append_duration = Histogram(
    "starling_eventlog_append_duration_seconds", "Until durable", ["kind"], buckets=APPEND_BUCKETS
)
budget_exceeded = Counter("starling_budget_exceeded_total", "Budget trips", ["axis"])

# Both are set by whichever process is scraped, from the database and the settings.
queue_depth = Gauge(
    "starlingd_queue_depth", "Runs that wait for a worker", multiprocess_mode="mostrecent"
)
queue_capacity = Gauge(
    "starlingd_queue_capacity", "Bound of the queue", multiprocess_mode="mostrecent"
)
workers = Gauge("starlingd_workers", "Runs that may execute at once", multiprocess_mode="livesum")
workers_busy = Gauge("starlingd_workers_busy", "Runs executing now", multiprocess_mode="livesum")
jobs = Counter("starlingd_jobs_total", "Accepted runs by outcome", ["daemon_status"])
enqueue_rejected = Counter("starlingd_enqueue_rejected_total", "Refused starts", ["reason"])
cancel_requests = Counter("starlingd_cancel_requests_total", "Cancel requests", ["result"])
http_requests = Counter(
    "starlingd_http_requests_total", "HTTP requests", ["route", "method", "code"]
)
http_request_duration = Histogram(
    "starlingd_http_request_duration_seconds", "HTTP request", ["route"]
)
queue_wait = Histogram("starlingd_queue_wait_seconds", "Accepted to claimed", buckets=RUN_BUCKETS)
sse_clients = Gauge("starlingd_sse_clients", "Open event streams", multiprocess_mode="livesum")
append_batch_size = Histogram(
    "starport_append_batch_size",
    "Appends per commit of the group-commit writer",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)


@functools.cache
def labelled(metric: MetricT, *labels: str) -> MetricT:
    """`metric.labels(...)`, looked up once per combination; hot paths count through it."""
    return metric.labels(*labels)


_append_children: dict[tuple[str, str], tuple[Counter, Histogram]] = {}


def record_appends(kind: str, status: str, seconds: float, count: int) -> None:
    """Count `count` events of one commit. Runs for every commit there is."""
    children = _append_children.get((kind, status))
    if children is None:
        children = (eventlog_appends.labels(kind, status), eventlog_append_duration.labels(kind))
        _append_children[(kind, status)] = children
    children[0].inc(count)
    for _ in range(count):
        children[1].observe(seconds)


_request_children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}


def record_request(route: str, method: str, code: int, seconds: float) -> None:
    """Count and time one HTTP request."""
    children = _request_children.get((route, method, code))
    if children is None:
        counter = http_requests.labels(route, method, str(code))
        children = (counter, http_request_duration.labels(route))
        _request_children[(route, method, code)] = children
    children[0].inc()
    children[1].observe(seconds)
