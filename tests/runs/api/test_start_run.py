"""POST /api/v1/runs: what is accepted, what is refused, what becomes of it."""

import signal
from collections.abc import Callable

import pytest

from tests.conftest import StartServer
from tests.runs.api.daemon import IS_CELERY, SLEEPING_GOAL, Daemon
from tests.server import RunningServer


def test_it_accepts_a_run_and_says_where_it_is(daemon: Daemon):
    response = daemon.client.post("/api/v1/runs", json={"goal": "hello"})

    run_id = response.json()["run_id"]
    assert response.status_code == 202
    assert response.json() == {"run_id": run_id, "daemon_status": "queued"}
    assert response.headers["Location"] == f"/api/v1/runs/{run_id}"
    assert daemon.client.get(response.headers["Location"]).status_code == 200


def test_the_id_is_a_bare_ulid(daemon: Daemon):
    run_id = daemon.start("hello")

    assert len(run_id) == 26
    assert set(run_id) <= set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/x-www-form-urlencoded", "nonsense"]
)
def test_the_content_type_does_not_matter(daemon: Daemon, content_type: str):
    response = daemon.client.post(
        "/api/v1/runs", content=b'{"goal":"hello"}', headers={"Content-Type": content_type}
    )

    assert response.status_code == 202


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"goal=hello", b"\xff\xfe", b"[]", b'"goal"', b"null", b'{"goal":"a"} trailing'],
)
def test_a_body_that_is_no_json_object_is_refused(daemon: Daemon, body: bytes):
    response = daemon.client.post("/api/v1/runs", content=body)

    assert response.status_code == 400
    assert list(response.json()) == ["error"]


@pytest.mark.parametrize("goal", [None, 7, True, ["x"], {"x": 1}, "", "  \n\t ", "a\x00b"])
def test_a_goal_that_is_no_text_is_refused(daemon: Daemon, goal: object):
    response = daemon.client.post("/api/v1/runs", json={"goal": goal})

    assert response.status_code == 400
    assert "goal" in response.json()["error"]


def test_a_missing_goal_is_refused(daemon: Daemon):
    response = daemon.client.post("/api/v1/runs", json={"goals": "hello"})

    assert response.status_code == 400
    assert response.json() == {"error": "goal is missing"}


@pytest.mark.parametrize(
    "fields",
    [
        {"priority": "high"},
        {"priority": 101},
        {"priority": True},
        {"metadata": {"a": 1}},
        {"metadata": {"a\x00": "b"}},
        {"metadata": {str(number): "x" for number in range(17)}},
        {"metadata": {"a": "x" * 300}},
        {"metadata": ["a"]},
        {"budget": {"max_usd": -1}},
        {"budget": {"max_dollars": 1}},
        {"budget": 5},
        {"model": 5},
        {"model": "nobody:nothing"},
        {"graph_id": ["agent"]},
    ],
    ids=str,
)
def test_an_optional_field_with_nonsense_is_refused(daemon: Daemon, fields: dict[str, object]):
    response = daemon.client.post("/api/v1/runs", json={"goal": "hello", **fields})

    assert response.status_code == 400
    assert list(response.json()) == ["error"]
    assert "\n" not in response.json()["error"]


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ('{"goal": "hello", "budget": {"max_output_tokens": 9223372036854775808}}', "budget"),
        ('{"goal": "hello", "budget": {"max_input_tokens": 18446744073709551616}}', "budget"),
        ('{"goal": "hello", "budget": {"max_usd": 1e999}}', "JSON"),
        (r'{"goal": "half \ud800"}', "JSON"),
        (r'{"goal": "hello", "metadata": {"a": "\udfff"}}', "JSON"),
        ('{"goal": "hello", "more": ' + "[" * 40 + "]" * 40 + "}", "nested too deeply"),
    ],
)
def test_what_no_log_can_hold_is_refused_and_starts_nothing(daemon: Daemon, body: str, place: str):
    before = daemon.page()["total"]

    response = daemon.client.post("/api/v1/runs", content=body)

    assert response.status_code == 400
    assert place in response.json()["error"]
    assert daemon.page()["total"] == before


def test_an_unknown_graph_is_not_found(daemon: Daemon):
    response = daemon.client.post("/api/v1/runs", json={"goal": "hello", "graph_id": "nope"})

    assert response.status_code == 404
    assert list(response.json()) == ["error"]


def test_unknown_fields_and_nulls_are_ignored(daemon: Daemon):
    fields = {"model": None, "budget": None, "metadata": None, "priority": None, "graph_id": None}

    run_id = daemon.run_to_end("hello", color="red", goals=7, **fields)

    assert daemon.detail(run_id)["status"] == "completed"


def test_the_optional_fields_take_effect(daemon: Daemon):
    run_id = daemon.run_to_end(
        "!usage 5 5\n!say hello",
        graph_id="agent",
        model="scripted:scripted",
        budget={"max_output_tokens": 1},
        metadata={"ticket": "7"},
        priority=-100,
    )

    first, *_, last = daemon.events(run_id)
    assert first["payload"]["budget"] == {"max_output_tokens": 1}
    assert last["payload"]["error_type"] == "budget"


def test_a_body_over_the_limit_is_refused(daemon: Daemon):
    response = daemon.client.post("/api/v1/runs", json={"goal": "x" * (2 * 1024 * 1024)})

    assert response.status_code == 413
    assert list(response.json()) == ["error"]


def test_a_goal_of_half_a_mebibyte_is_stored_whole(daemon: Daemon):
    goal = "word " * 100_000

    run_id = daemon.run_to_end(f"!say short\n{goal}")

    assert daemon.detail(run_id)["goal"] == f"!say short\n{goal}"
    assert daemon.events(run_id, limit=1)[0]["payload"]["goal"] == f"!say short\n{goal}"


def test_a_full_queue_refuses_and_creates_nothing(start_clogged: Callable[..., Daemon]):
    daemon = start_clogged(queue=1)
    waiting = daemon.start("hello")

    response = daemon.client.post("/api/v1/runs", json={"goal": "one too many"})

    assert response.status_code == 503
    assert list(response.json()) == ["error"]
    assert int(response.headers["Retry-After"]) >= 1
    assert daemon.cancel(waiting).status_code == 202
    assert daemon.page(q="one too many")["total"] == 0
    assert daemon.start("there is room again")


def test_a_queue_takes_as_many_runs_as_it_has_places(start_clogged: Callable[..., Daemon]):
    daemon = start_clogged(queue=30)

    accepted = [daemon.start("hello") for _ in range(30)]
    refused = daemon.client.post("/api/v1/runs", json={"goal": "one too many"})

    assert refused.status_code == 503
    assert daemon.cancel(accepted[0]).status_code == 202
    assert daemon.start("there is room again")
    assert daemon.client.post("/api/v1/runs", json={"goal": "hello"}).status_code == 503


@pytest.mark.skipif(IS_CELERY, reason="only a server that executes runs itself has steps to end")
def test_a_server_that_shuts_down_refuses(start_server: StartServer):
    server: RunningServer = start_server(env={"STARPORT_DRAIN_SECONDS": "20"})
    daemon = Daemon(server.client)
    daemon.start_and_wait_for("TurnStarted", "!sleep 6\n!say slow")

    server.process.send_signal(signal.SIGTERM)
    while daemon.client.get("/api/v1/readyz").status_code == 200:
        continue
    response = daemon.client.post("/api/v1/runs", json={"goal": SLEEPING_GOAL})

    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) >= 1
