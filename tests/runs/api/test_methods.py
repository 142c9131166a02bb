"""Methods and paths beside the routes, and what HEAD gets."""

import pytest

from tests.runs.api.daemon import Daemon

READ_ROUTES = ["healthz", "readyz", "runs", "runs/{}", "runs/{}/events", "runs/{}/stream"]


@pytest.fixture(scope="module")
def run_id(_shared_server) -> str:
    return Daemon(_shared_server.client).run_to_end("hello")


@pytest.mark.parametrize("route", READ_ROUTES)
def test_head_gets_the_headers_of_get(daemon: Daemon, run_id: str, route: str):
    path = f"/api/v1/{route}".format(run_id)

    head, get = daemon.client.head(path), daemon.client.get(path)

    assert head.status_code == get.status_code == 200
    assert head.content == b""
    assert head.headers["Content-Type"] == get.headers["Content-Type"]


@pytest.mark.parametrize(
    ("method", "route", "allowed"),
    [
        ("DELETE", "runs", {"GET", "HEAD", "POST"}),
        ("PUT", "runs", {"GET", "HEAD", "POST"}),
        ("OPTIONS", "runs", {"GET", "HEAD", "POST"}),
        ("POST", "runs/{}", {"GET", "HEAD"}),
        ("DELETE", "runs/{}", {"GET", "HEAD"}),
        ("POST", "runs/{}/events", {"GET", "HEAD"}),
        ("POST", "runs/{}/stream", {"GET", "HEAD"}),
        ("GET", "runs/{}/cancel", {"POST"}),
        ("HEAD", "runs/{}/cancel", {"POST"}),
        ("POST", "healthz", {"GET", "HEAD"}),
        ("PATCH", "readyz", {"GET", "HEAD"}),
    ],
)
def test_a_wrong_method_says_which_are_right(
    daemon: Daemon, run_id: str, method: str, route: str, allowed: set[str]
):
    response = daemon.client.request(method, f"/api/v1/{route}".format(run_id))

    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == allowed
    if method != "HEAD":
        assert list(response.json()) == ["error"]


def test_metrics_answer_get_alone(daemon: Daemon):
    assert daemon.client.post("/metrics").status_code == 405


@pytest.mark.parametrize(
    "path",
    ["/api/v1", "/api/v1/", "/api/v1/nope", "/api/v1/runs/", "/api/v1/healthz/", "/metrics/"],
)
def test_an_unknown_path_is_not_found_and_redirects_nowhere(daemon: Daemon, path: str):
    response = daemon.client.get(path)

    assert response.status_code == 404
    assert response.headers["Content-Type"] == "application/json"
    assert list(response.json()) == ["error"]


@pytest.mark.parametrize("path", ["/api/v1/runs", "/api/v1/runs/nope", "/api/v1/nope"])
def test_every_answer_carries_a_request_id(daemon: Daemon, path: str):
    chosen = daemon.client.get(path, headers={"X-Request-Id": "mine-1"})

    assert daemon.client.get(path).headers["X-Request-Id"]
    assert chosen.headers["X-Request-Id"] == "mine-1"
