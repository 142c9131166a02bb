"""GET /metrics."""

import re
from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import StartServer
from tests.runs.api.daemon import IS_CELERY, TOOL_GOAL, Daemon
from tests.server import ROOT

CONTRACT = {
    "starling_runs_started": "counter",
    "starling_runs_in_flight": "gauge",
    "starling_run_terminal": "counter",
    "starling_run_duration_seconds": "histogram",
    "starling_provider_calls": "counter",
    "starling_provider_call_duration_seconds": "histogram",
    "starling_provider_tokens": "counter",
    "starling_tool_calls": "counter",
    "starling_tool_call_duration_seconds": "histogram",
    "starling_eventlog_appends": "counter",
    "starling_eventlog_append_duration_seconds": "histogram",
    "starling_budget_exceeded": "counter",
    "starlingd_queue_depth": "gauge",
    "starlingd_queue_capacity": "gauge",
    "starlingd_workers": "gauge",
    "starlingd_workers_busy": "gauge",
    "starlingd_jobs": "counter",
    "starlingd_enqueue_rejected": "counter",
    "starlingd_cancel_requests": "counter",
    "starlingd_http_requests": "counter",
    "starlingd_http_request_duration_seconds": "histogram",
    "starlingd_queue_wait_seconds": "histogram",
    "starlingd_sse_clients": "gauge",
    "starport_append_batch_size": "histogram",
}
RUN_BUCKETS = (
    "0.005 0.012508 0.031288 0.078266 0.195783 0.489751 1.225113 3.064624 7.666165 19.176935"
    " 47.97116 120.0"
)
APPEND_BUCKETS = (
    "5e-05 0.000116346 0.000270727 0.000629961 0.00146587 0.00341095 0.00793701 0.0184688"
    " 0.0429753 0.1"
)

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
in_process = pytest.mark.skipif(IS_CELERY, reason="under Celery the workers count")


def scrape(daemon: Daemon) -> Samples:
    page = daemon.client.get("/metrics").text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((name, tuple(sorted(labels.items()))), 0.0)


def test_every_metric_of_the_contract_is_there_with_its_type(daemon: Daemon):
    page = daemon.client.get("/metrics")

    types = {family.name: family.type for family in text_string_to_metric_families(page.text)}
    assert page.headers["Content-Type"].startswith("text/plain; version=")
    assert CONTRACT.items() <= types.items()


@in_process
def test_buckets_are_those_of_the_contract(daemon: Daemon):
    daemon.run_to_end(TOOL_GOAL)
    page = daemon.client.get("/metrics").text

    assert RUN_BUCKETS in _bounds(page, "starling_run_duration_seconds")
    assert APPEND_BUCKETS in _bounds(page, "starling_eventlog_append_duration_seconds")


def _bounds(page: str, name: str) -> str:
    found = re.findall(rf'^{name}_bucket{{[^}}]*?le="([^"]+)"', page, re.MULTILINE)
    return " ".join(dict.fromkeys(found))


@in_process
def test_a_run_moves_the_counters_once(daemon: Daemon):
    before = scrape(daemon)

    daemon.run_to_end(TOOL_GOAL)

    after = scrape(daemon)

    def moved(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    assert moved("starling_runs_started_total") == 1
    assert moved("starling_run_terminal_total", status="ok", error_type="none") == 1
    assert moved("starling_run_duration_seconds_count", status="ok") == 1
    assert moved("starling_provider_calls_total", model="scripted", status="ok") == 2
    assert moved("starling_tool_calls_total", tool="calculate", status="ok", error_type="none") == 1
    assert moved("starling_eventlog_appends_total", kind="RunStarted", status="ok") == 1
    assert moved("starlingd_jobs_total", daemon_status="completed") == 1
    assert moved("starlingd_queue_wait_seconds_count") == 1


@in_process
def test_an_invented_tool_name_is_no_label(daemon: Daemon):
    daemon.run_to_end("!tool no_such_tool_anywhere {}\n!turn\n!say sorry")

    page = daemon.client.get("/metrics").text
    assert "no_such_tool_anywhere" not in page
    assert 'tool="unknown"' in page


def test_requests_are_counted_by_route_pattern(daemon: Daemon):
    run_id = daemon.run_to_end("hello")
    labels = {"route": "/api/v1/runs/<run_id:run_id>", "method": "GET", "code": "200"}
    before = scrape(daemon)

    daemon.detail(run_id)
    daemon.client.get("/api/v1/nope")

    after = scrape(daemon)
    counted = value(after, "starlingd_http_requests_total", **labels)
    assert counted - value(before, "starlingd_http_requests_total", **labels) == 1
    assert run_id not in daemon.client.get("/metrics").text
    assert value(
        after, "starlingd_http_requests_total", route="unknown", method="GET", code="404"
    ) > value(before, "starlingd_http_requests_total", route="unknown", method="GET", code="404")


def test_a_method_somebody_invented_is_no_label(daemon: Daemon):
    daemon.client.request("BREW", "/api/v1/runs")

    assert "BREW" not in daemon.client.get("/metrics").text


def test_the_queue_is_asked_when_scraped(start_clogged: Callable[..., Daemon]):
    daemon = start_clogged(queue=2)
    waiting = [daemon.start("hello") for _ in range(2)]
    refused = daemon.client.post("/api/v1/runs", json={"goal": "one too many"})

    full = scrape(daemon)
    for run_id in waiting:
        daemon.cancel(run_id)
    empty = scrape(daemon)

    assert refused.status_code == 503
    assert value(full, "starlingd_queue_depth") == 2
    assert value(full, "starlingd_queue_capacity") == 2
    assert value(full, "starlingd_enqueue_rejected_total", reason="queue_full") == 1
    assert value(empty, "starlingd_queue_depth") == 0
    assert value(empty, "starlingd_cancel_requests_total", result="cancelled") == 2


def test_open_streams_are_counted(daemon: Daemon):
    run_id = daemon.start("!sleep 60")

    with daemon.stream(run_id) as frames:
        next(frames)
        watched = scrape(daemon)

    daemon.cancel(run_id)
    assert value(watched, "starlingd_sse_clients") >= 1


def test_several_processes_can_share_their_numbers(start_server: StartServer, tmp_path):
    server = start_server(env={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)})
    daemon = Daemon(server.client)

    daemon.run_to_end("hello")

    samples = scrape(daemon)
    assert value(samples, "starlingd_queue_capacity") == 100
    assert value(samples, "starling_run_terminal_total", status="ok", error_type="none") == 1


def test_the_reference_page_names_every_metric_of_ours(daemon: Daemon):
    page = (ROOT / "docs/reference/metrics.md").read_text()
    exposed = re.findall(r"^# TYPE (star\w+)", daemon.client.get("/metrics").text, re.MULTILINE)

    assert [name for name in exposed if f"`{name}`" not in page] == []
