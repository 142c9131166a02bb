"""Who may call /v1, and what it says to what it does not know."""

from collections.abc import Callable

import pytest

from tests.runs.graph_api.client import GraphClient
from tests.server import RunningServer

AsRole = Callable[[str], GraphClient]

ROUTES = [
    ("GET", "/v1/runs"),
    ("POST", "/v1/runs"),
    ("GET", "/v1/runs/R"),
    ("POST", "/v1/runs/R/cancel"),
    ("POST", "/v1/runs/R/pause"),
    ("POST", "/v1/runs/R/resume"),
    ("POST", "/v1/runs/R/respond"),
    ("GET", "/v1/runs/R/artifacts"),
    ("GET", "/v1/artifacts/A"),
    ("GET", "/v1/approvals"),
    ("GET", "/v1/graphs"),
    ("GET", "/v1/registry/tools"),
    ("GET", "/v1/audit"),
]


@pytest.mark.parametrize(("method", "path"), [*ROUTES, ("GET", "/v1/nothing")])
def test_without_a_credential_nothing_is_told(server: RunningServer, method: str, path: str):
    answer = server.anonymous.request(method, path, content=b"not json")

    assert answer.status_code == 401
    assert answer.json() == {"detail": "missing_api_key"}
    assert answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_without_the_capability_nothing_is_looked_at(as_role: AsRole, method: str, path: str):
    scraper = as_role("scraper")

    answer = scraper.client.request(method, path, content=b"not json")

    assert answer.status_code == 403
    assert list(answer.json()) == ["detail"]


def test_a_viewer_reads_and_changes_nothing(graphs: GraphClient, as_role: AsRole):
    viewer, run_id = as_role("viewer"), graphs.start("hello")

    assert viewer.summary(run_id)["run_id"] == run_id
    for verb in ("cancel", "pause", "resume", "respond"):
        assert viewer.command(run_id, verb).status_code == 403


def test_an_unknown_path_is_not_found(graphs: GraphClient):
    answer = graphs.client.get("/v1/nothing")

    assert answer.status_code == 404
    assert answer.json() == {"detail": "Not Found"}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/runs", "GET, POST"),
        ("HEAD", "/v1/runs", "GET, POST"),
        ("HEAD", "/v1/artifacts/A", "GET"),
        ("OPTIONS", "/v1/graphs", "GET"),
        ("GET", "/v1/runs/R/cancel", "POST"),
    ],
)
def test_another_method_is_refused(graphs: GraphClient, method: str, path: str, allowed: str):
    answer = graphs.client.request(method, path)

    assert answer.status_code == 405
    assert answer.headers["Allow"] == allowed
    if method != "HEAD":
        assert answer.json() == {"detail": "Method Not Allowed"}
