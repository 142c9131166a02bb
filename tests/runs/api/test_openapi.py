"""The OpenAPI document: current, and true of the answers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.runs.api.daemon import SLEEPING_GOAL, TOOL_GOAL, Daemon
from tests.server import ROOT, RunningServer

DOCUMENT = ROOT / "docs/reference/openapi.json"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(DOCUMENT.read_bytes())
    return loaded


def test_the_written_document_is_current(server: RunningServer):
    done = server.manage("openapi", "--check")

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_it_is_openapi_3_1_and_written_the_same_way_every_time(document: dict[str, Any]):
    rewritten = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    assert document["openapi"].startswith("3.1")
    assert DOCUMENT.read_text() == rewritten


def test_every_route_is_described(document: dict[str, Any]):
    routes = {(path, method) for path, item in document["paths"].items() for method in item}

    assert {
        ("/api/v1/healthz", "get"),
        ("/api/v1/readyz", "get"),
        ("/api/v1/runs", "get"),
        ("/api/v1/runs", "post"),
        ("/api/v1/runs/{run_id}", "get"),
        ("/api/v1/runs/{run_id}/events", "get"),
        ("/api/v1/runs/{run_id}/stream", "get"),
        ("/api/v1/runs/{run_id}/cancel", "post"),
        ("/metrics", "get"),
    } <= routes


def test_the_stream_is_declared_as_an_event_stream(document: dict[str, Any]):
    answer = document["paths"]["/api/v1/runs/{run_id}/stream"]["get"]["responses"]["200"]

    assert list(answer["content"]) == ["text/event-stream"]


def check(document: dict[str, Any], answer: Any, path: str, method: str = "get") -> None:
    """Raise unless a response is as its operation says."""
    described = document["paths"][path][method]["responses"][str(answer.status_code)]
    schema = described["content"]["application/json"]["schema"]
    jsonschema.Draft202012Validator(
        {**schema, "components": document["components"]},
        format_checker=jsonschema.FormatChecker(),
    ).validate(answer.json())


def test_answers_are_as_described(document: dict[str, Any], daemon: Daemon):
    finished, failed = daemon.run_to_end(TOOL_GOAL), daemon.run_to_end("!fail auth")
    running = daemon.start_and_wait_for("TurnStarted", SLEEPING_GOAL)
    one, get, post = "/api/v1/runs/{run_id}", daemon.client.get, daemon.client.post

    check(document, get("/api/v1/healthz"), "/api/v1/healthz")
    check(document, get("/api/v1/readyz"), "/api/v1/readyz")
    check(document, get("/api/v1/runs"), "/api/v1/runs")
    check(document, post("/api/v1/runs", json={"goal": "hello"}), "/api/v1/runs", "post")
    for run_id in (finished, failed, running):
        check(document, get(f"/api/v1/runs/{run_id}"), one)
        check(document, get(f"/api/v1/runs/{run_id}/events"), f"{one}/events")
    check(document, daemon.cancel(running), f"{one}/cancel", "post")


def test_refusals_are_as_described(document: dict[str, Any], daemon: Daemon):
    finished, one = daemon.run_to_end("hello"), "/api/v1/runs/{run_id}"
    get, post = daemon.client.get, daemon.client.post

    check(document, post("/api/v1/runs", content=b"x"), "/api/v1/runs", "post")
    check(document, get("/api/v1/runs?limit=0"), "/api/v1/runs")
    check(document, get("/api/v1/runs/nope"), one)
    check(document, get(f"/api/v1/runs/{finished}/events?limit=1001"), f"{one}/events")
    check(document, get("/api/v1/runs/nope/stream"), f"{one}/stream")
    check(document, daemon.cancel(finished), f"{one}/cancel", "post")


def test_a_queued_run_is_as_described(
    document: dict[str, Any], start_clogged: Callable[..., Daemon]
):
    daemon = start_clogged(queue=1)
    waiting = daemon.start("hello")
    refused = daemon.client.post("/api/v1/runs", json={"goal": "hello"})

    check(document, daemon.client.get(f"/api/v1/runs/{waiting}"), "/api/v1/runs/{run_id}")
    check(document, refused, "/api/v1/runs", "post")
    check(document, daemon.client.get("/api/v1/readyz"), "/api/v1/readyz")


def test_the_reference_page_names_every_route(document: dict[str, Any]):
    page = (Path(ROOT) / "docs/reference/api-v1.md").read_text()

    for path in document["paths"]:
        if path.startswith("/api/v1"):
            assert path.replace("{run_id}", "{id}") in page
