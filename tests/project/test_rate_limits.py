"""Quotas, over HTTP: what every answer says of them, and what happens when one is used up."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from tests.conftest import StartServer, _server_factory
from tests.runs.api.daemon import issue_key
from tests.server import RunningServer, clean_environment, run_manage

READS, WRITES, FAILURES = 20, 3, 4
MONTH = 30 * 86_400  # seconds; no window of this length ends while the tests run
PATIENCE_SECONDS = 60.0
HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")

Caller = Callable[..., httpx.Client]


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    quotas = {
        "RATELIMIT_DEFAULT": str(READS),
        "RATELIMIT_WRITE": str(WRITES),
        "RATELIMIT_ANONYMOUS": str(FAILURES),
        "RATELIMIT_WINDOW_SECONDS": str(MONTH),
    }
    with _server_factory(tmp_path_factory) as start:
        yield start(env=quotas, workers=0)


@pytest.fixture
def caller(limited: RunningServer) -> Iterator[Caller]:
    """A client of a new user with that role, or of nobody, at an address of this machine."""
    with ExitStack() as stack:

        def enter(role: str = "", address: str = "127.0.0.1") -> httpx.Client:
            client = httpx.Client(
                base_url=limited.url,
                headers={"X-API-Key": issue_key(limited, role)} if role else {},
                transport=httpx.HTTPTransport(local_address=address),
                timeout=30.0,
            )
            return stack.enter_context(client)

        yield enter


def standing(answer: httpx.Response) -> tuple[int, int]:
    """Limit and rest, as the headers have them."""
    assert time.time() < int(answer.headers["X-RateLimit-Reset"]) <= time.time() + MONTH + 1
    return (
        int(answer.headers["X-RateLimit-Limit"]),
        int(answer.headers["X-RateLimit-Remaining"]),
    )


def statuses(client: httpx.Client, count: int, path: str = "/v1/runs") -> list[int]:
    return [client.get(path).status_code for _ in range(count)]


def test_every_answer_to_a_known_caller_counts_and_says_what_is_left(caller: Caller):
    admin = caller("admin")
    begun = admin.post("/api/v1/runs", json={"goal": "hello"})

    with admin.stream("GET", f"/api/v1/runs/{begun.json()['run_id']}/stream") as stream:
        answers = [stream]
    for method, path in [
        ("GET", "/v1/runs"),
        ("GET", "/v1/runs/R"),
        ("GET", "/v1/nothing"),
        ("GET", "/v1/runs?limit=x"),
        ("HEAD", "/v1/runs"),
        ("GET", "/api/v1/runs?limit=x"),
        ("GET", "/metrics"),
        ("GET", "/inspect/"),
    ]:
        answers.append(admin.request(method, path))

    assert standing(begun) == (WRITES, WRITES - 1)
    assert [answer.status_code for answer in answers] == [
        *(200, 200, 404, 404, 422, 405, 400, 200, 200)
    ]
    lefts = [standing(answer) for answer in answers]
    assert lefts == [(READS, READS - 1 - n) for n in range(len(answers))]


def test_a_used_up_quota_is_429_before_anything_is_looked_at(caller: Caller):
    viewer = caller("viewer")
    assert set(statuses(viewer, READS)) == {200}

    refused = {
        path: viewer.get(path) for path in ("/v1/runs?limit=x", "/v1/nothing", "/api/v1/runs/R")
    }

    assert {answer.status_code for answer in refused.values()} == {429}
    assert {path: answer.json() for path, answer in refused.items()} == {
        "/v1/runs?limit=x": {"detail": "rate_limit_exceeded"},
        "/v1/nothing": {"detail": "rate_limit_exceeded"},
        "/api/v1/runs/R": {"error": "Rate limit exceeded"},
    }
    for answer in refused.values():
        assert standing(answer) == (READS, 0)
        assert int(answer.headers["Retry-After"]) >= 1


def test_a_missing_capability_comes_before_the_limit_and_costs_nothing(caller: Caller):
    viewer = caller("viewer")

    denied = [viewer.get("/metrics") for _ in range(2)]
    statuses(viewer, READS)
    later = viewer.get("/metrics")

    assert {answer.status_code for answer in [*denied, later]} == {403}
    assert [standing(answer) for answer in [*denied, later]] == [
        *((READS, READS), (READS, READS), (READS, 0))
    ]


def test_reads_and_writes_are_counted_apart_and_each_caller_alone(caller: Caller):
    operator, other = caller("operator"), caller("operator")

    written = [operator.post("/v1/runs", json={}).status_code for _ in range(WRITES + 1)]

    assert written == [*[422] * WRITES, 429]
    assert operator.get("/v1/runs").status_code == 200
    assert other.post("/v1/runs", json={}).status_code == 422


def test_who_proves_nothing_is_counted_by_address(caller: Caller):
    nobody, neighbour = caller(address="127.0.0.21"), caller(address="127.0.0.22")
    wrong = {"X-API-Key": "sp_live_nobody_has_this_key"}

    first = nobody.get("/v1/runs")
    failures = [nobody.get("/v1/runs", headers=wrong).status_code for _ in range(FAILURES)]

    assert (first.status_code, standing(first)) == (401, (FAILURES, FAILURES - 1))
    assert failures == [*[401] * (FAILURES - 1), 429]
    assert neighbour.get("/v1/runs").status_code == 401


def test_a_valid_key_passes_from_an_address_that_used_up_its_failures(caller: Caller):
    known = caller("viewer", address="127.0.0.23")
    nobody = caller(address="127.0.0.23")
    assert statuses(nobody, FAILURES + 1)[-1] == 429

    assert known.get("/v1/runs").status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/healthz", "/admin/login/", "/static/img/starport.svg"])
def test_health_files_and_the_admin_are_never_limited(limited: RunningServer, path: str):
    answers = [limited.client.get(path) for _ in range(READS + 1)]

    assert {answer.status_code for answer in answers} == {200}
    assert not any(name in answer.headers for answer in answers for name in HEADERS)


def test_without_limits_there_are_no_headers(server: RunningServer):
    answers = [server.client.get("/v1/runs"), server.anonymous.get("/v1/runs")]

    assert [answer.status_code for answer in answers] == [200, 401]
    assert not any(name in answer.headers for answer in answers for name in HEADERS)


def test_the_next_window_begins_with_a_full_quota(start_server: StartServer):
    env = {"RATELIMIT_DEFAULT": "1", "RATELIMIT_WINDOW_SECONDS": "1"}
    server = start_server(env=env, workers=0)

    refused = until(server.client, 429)
    allowed = until(server.client, 200)

    assert int(allowed.headers["X-RateLimit-Reset"]) > int(refused.headers["X-RateLimit-Reset"])


def until(client: httpx.Client, status: int) -> httpx.Response:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (answer := client.get("/v1/runs")).status_code != status:
        assert time.monotonic() < deadline
    return answer


@pytest.mark.skipif(not os.environ.get("REDIS_URL"), reason="needs Redis")
def test_servers_with_the_same_redis_share_a_quota(start_server: StartServer):
    token = "the-token-of-both-servers"
    env = {"RATELIMIT_DEFAULT": "3", "RATELIMIT_WINDOW_SECONDS": str(MONTH)}
    first = start_server(token=token, env=env, workers=0)
    env["STARPORT_REDIS_PREFIX"] = first.environment["STARPORT_REDIS_PREFIX"]
    second = start_server(token=token, env=env, workers=0)

    answers = [
        server.anonymous.get("/v1/runs", headers={"Authorization": f"Bearer {token}"})
        for server in (first, second, first, second)
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [int(answer.headers["X-RateLimit-Remaining"]) for answer in answers] == [2, 1, 0, 0]


def test_a_store_that_does_not_answer_limits_nobody_and_is_reported(start_server: StartServer):
    env = {"RATELIMIT_DEFAULT": "1", "RATELIMIT_STORE": "redis://127.0.0.1:1"}
    server = start_server(env=env, workers=0)

    answers = [server.client.get("/v1/runs") for _ in range(3)]

    assert {answer.status_code for answer in answers} == {200}
    assert not any(name in answer.headers for answer in answers for name in HEADERS)
    assert "the store of rate limits does not answer" in server.errors()


@pytest.mark.anywhere
@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("RATELIMIT_DEFAULT", "lots", "must be a whole number, not 'lots'"),
        ("RATELIMIT_WINDOW_SECONDS", "0", "must be at least 1, not 0"),
        ("RATELIMIT_STORE", "secret@host", "must be memory, or an address like"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_by_name(tmp_path, name, value, complaint):
    done = run_manage("check", environment=clean_environment(tmp_path, **{name: value}))

    assert done.returncode == 1
    assert f"{name} {complaint}" in done.stderr
    assert "secret" not in done.stderr
