"""Who gets in: nobody without a credential, and then only where their capabilities reach."""

from collections.abc import Callable

import pytest

from tests.conftest import SHARED_TOKEN
from tests.runs.api.daemon import Daemon
from tests.server import RunningServer

AsRole = Callable[..., Daemon]

PATHS = [
    "/api/v1",
    "/api/v1/",
    "/api/v1/healthz",
    "/api/v1/readyz",
    "/api/v1/runs",
    "/api/v1/runs/01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "/api/v1/runs/01ARZ3NDEKTSV4RRFFQ69G5FAV/events",
    "/api/v1/runs/01ARZ3NDEKTSV4RRFFQ69G5FAV/stream",
    "/api/v1/runs/01ARZ3NDEKTSV4RRFFQ69G5FAV/cancel",
    "/api/v1/no/such/path",
    "/metrics",
    "/metrics/nope",
    "/inspect/",
    "/inspect/run/01ARZ3NDEKTSV4RRFFQ69G5FAV",
]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("path", PATHS)
def test_without_a_credential_every_path_is_401(server: RunningServer, path: str, method: str):
    response = server.anonymous.request(method, path)

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith('Bearer realm="')
    assert list(response.json()) == ["error"]
    assert "text/event-stream" not in response.headers["Content-Type"]


@pytest.mark.parametrize(
    "authorization",
    [
        f"bearer {SHARED_TOKEN}",
        f"BEARER {SHARED_TOKEN}",
        f"Bearer  {SHARED_TOKEN}",
        f"Bearer {SHARED_TOKEN}x",
        f"Bearer {SHARED_TOKEN[:-1]}",
        "Bearer",
        f"Token {SHARED_TOKEN}",
        SHARED_TOKEN,
    ],
)
def test_a_token_that_is_not_exactly_right_is_401(server: RunningServer, authorization: str):
    response = server.anonymous.get("/api/v1/runs", headers={"Authorization": authorization})

    assert response.status_code == 401


def test_the_daemon_token_opens_every_route(bearer: Daemon):
    run_id = bearer.run_to_end("hello")

    answers = [
        bearer.client.get(path).status_code
        for path in (
            "/api/v1/healthz",
            "/api/v1/readyz",
            "/api/v1/runs",
            f"/api/v1/runs/{run_id}",
            f"/api/v1/runs/{run_id}/events",
            f"/api/v1/runs/{run_id}/stream",
            "/metrics",
        )
    ]

    assert answers == [200] * 7


@pytest.mark.parametrize("path", ["/api/v1/runs", "/metrics"])
def test_a_credential_in_the_query_counts_for_streams_alone(server: RunningServer, path: str):
    assert server.anonymous.get(path, params={"token": server.admin_key}).status_code == 401


def test_a_stream_takes_the_key_from_the_query(server: RunningServer, daemon: Daemon):
    run_id = daemon.run_to_end("hello")

    response = server.anonymous.get(
        f"/api/v1/runs/{run_id}/stream", params={"token": server.admin_key}
    )

    assert response.status_code == 200


ROUTES = {
    "runs:start": ("POST", "/api/v1/runs"),
    "runs:cancel": ("POST", "/api/v1/runs/01ARZ3NDEKTSV4RRFFQ69G5FAV/cancel"),
    "runs:read": ("GET", "/api/v1/runs"),
    "metrics:read": ("GET", "/metrics"),
}


@pytest.mark.parametrize("capability", ROUTES)
def test_a_key_reaches_no_further_than_its_capabilities(as_role: AsRole, capability: str):
    limited = as_role("admin", "--capability", capability).client

    refused = {name: limited.request(*route).status_code == 403 for name, route in ROUTES.items()}

    assert refused == {name: name != capability for name in ROUTES}


def test_a_refusal_names_the_capability(as_role: AsRole):
    scraper = as_role("scraper").client

    response = scraper.post("/api/v1/runs", content=b"not even json")

    assert response.status_code == 403
    assert "runs:start" in response.json()["error"]


def test_health_and_readiness_are_for_anybody_who_is_known(as_role: AsRole):
    scraper = as_role("scraper").client

    assert scraper.get("/api/v1/healthz").status_code == 200
    assert scraper.get("/api/v1/readyz").status_code == 200
