"""Who may do what with instances, and what is put on record of it."""

import socket
import time

import pytest

from tests.conftest import StartServer
from tests.instances.conftest import Fleet
from tests.instances.fake_backend import FakeBackend
from tests.instances.faults import Answer, Hang, Slow

READING = [
    ("GET", "/api/instances"),
    ("GET", "/api/instances/bot"),
    ("GET", "/api/instances/bot/health"),
    ("GET", "/api/instances/bot/logs"),
]
MANAGING = [
    ("POST", "/api/instances"),
    ("DELETE", "/api/instances/bot"),
    ("POST", "/api/instances/bot/pause"),
    ("POST", "/api/instances/bot/restart"),
]
READERS = ("user", "viewer", "operator", "responder", "analyst")
PATIENCE_SECONDS = 20.0


@pytest.mark.parametrize("role", READERS)
def test_a_reader_reads_and_manages_nothing(fleet: Fleet, role: str):
    fleet.backend.add(id="bot")

    with fleet.as_role(role) as client:
        read = [client.request(*route).status_code for route in READING]
        managed = [client.request(*route) for route in MANAGING]

    assert read == [200] * len(READING)
    assert [answer.status_code for answer in managed] == [403] * len(MANAGING)
    assert "instances:manage" in managed[0].json()["error"]
    assert list(fleet.backend.instances) == ["bot"]


def test_a_scraper_does_neither(fleet: Fleet):
    with fleet.as_role("scraper") as client:
        answers = [client.request(*route).status_code for route in READING + MANAGING]

    assert set(answers) == {403}
    assert len(fleet.backend.requests) == 0


def test_without_a_credential_every_route_is_401_whatever_its_body_or_id(fleet: Fleet):
    anonymous = fleet.server.anonymous

    answers = [anonymous.request(*route).status_code for route in READING + MANAGING]
    malformed = anonymous.post("/api/instances", content=b"{", headers={"Content-Type": "x/y"})

    assert {*answers, malformed.status_code} == {401}
    assert len(fleet.backend.requests) == 0


def test_a_capability_comes_before_the_body(fleet: Fleet):
    with fleet.as_role("viewer") as client:
        assert client.post("/api/instances", content=b"{").status_code == 403


def test_a_command_is_on_record_with_who_gave_it_and_what_came_of_it(fleet: Fleet):
    wanted = {"name": "bot", "region": "eu"}
    made = fleet.client.post("/api/instances", json=wanted).json()["id"]
    fleet.client.post(f"/api/instances/{made}/pause")
    fleet.backend.fail("restart", Answer(409, {"error": "not now"}))
    fleet.client.post(f"/api/instances/{made}/restart")
    fleet.client.delete(f"/api/instances/{made}")

    newest_first = fleet.facts("instance_command", instance_id=made)

    assert [(fact["operation"], fact["outcome"]) for fact in newest_first] == [
        ("kill", "done"),
        ("restart", "RequestRefused"),
        ("pause", "done"),
        ("create", "done"),
    ]
    assert len({fact["actor"] for fact in newest_first}) == 1
    assert wanted.items() <= newest_first[-1].items()


def test_a_change_of_status_is_on_record_with_its_cause(fleet: Fleet):
    made = fleet.client.post("/api/instances", json={}).json()["id"]
    fleet.backend.instances[made].status = "running"
    fleet.client.get(f"/api/instances/{made}")
    fleet.client.post(f"/api/instances/{made}/pause")
    fleet.client.post(f"/api/instances/{made}/restart")
    fleet.client.delete(f"/api/instances/{made}")

    changes = fleet.facts("instance_status_changed", instance_id=made)

    assert [(fact["previous"], fact["status"], fact["cause"]) for fact in reversed(changes)] == [
        (None, "creating", "command"),
        ("creating", "running", "reported"),
        ("running", "paused", "command"),
        ("paused", "running", "command"),
        ("running", "stopped", "command"),
    ]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/instances/{}"),
        ("GET", "/api/instances/{}/health"),
        ("GET", "/api/instances/{}/logs"),
        ("POST", "/api/instances/{}/pause"),
        ("POST", "/api/instances/{}/restart"),
        ("DELETE", "/api/instances/{}"),
    ],
)
def test_an_instance_that_the_backend_does_not_know_any_more_counts_as_stopped(
    fleet: Fleet, method: str, path: str
):
    made = fleet.backend.add(id=f"gone-{time.time_ns()}")
    assert fleet.client.get("/api/instances").status_code == 200
    del fleet.backend.instances[made.id]

    answer = fleet.client.request(method, path.format(made.id))

    newest, *_ = fleet.facts("instance_status_changed", instance_id=made.id)
    assert answer.status_code == 404
    assert (newest["previous"], newest["status"], newest["cause"]) == (
        "running",
        "stopped",
        "disappeared",
    )


def test_what_the_list_does_not_name_any_more_counts_as_stopped(fleet: Fleet):
    made = fleet.backend.add(id=f"gone-{time.time_ns()}")
    fleet.client.get("/api/instances")
    del fleet.backend.instances[made.id]

    fleet.client.get("/api/instances")

    newest, *_ = fleet.facts("instance_status_changed", instance_id=made.id)
    assert (newest["status"], newest["cause"]) == ("stopped", "disappeared")


def test_a_backend_that_fails_changes_nothing(fleet: Fleet):
    made = fleet.backend.add(id=f"bot-{time.time_ns()}")
    fleet.client.get("/api/instances")
    before = fleet.facts("instance_status_changed")

    for fault in (Answer(500), Answer(200, b"[{"), Answer(401)):
        fleet.backend.fail("*", fault)
        fleet.client.get("/api/instances")
        fleet.client.get(f"/api/instances/{made.id}")
        fleet.client.get(f"/api/instances/{made.id}/health")

    assert fleet.facts("instance_status_changed") == before


def test_a_hanging_backend_holds_nobody_elses_request(start_server: StartServer):
    backend = FakeBackend()
    backend.fail("*", Hang())
    env = {"STARPOD_INSTANCE_BACKEND_URL": backend.url, "STARPORT_REQUEST_THREADS": "1"}
    server = start_server(env=env, workers=0)
    host, _, port = server.url.removeprefix("http://").partition(":")
    head = f"HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {server.admin_key}\r\n\r\n"
    asked = [f"GET {path} {head}" for path in ("/api/instances", "/api/instances/x/logs")]

    waiting = [socket.create_connection((host, int(port))) for _ in range(20)]
    for number, connection in enumerate(waiting):
        connection.sendall(asked[number % 2].encode())
    backend.wait_for("list", count=10)
    backend.wait_for("logs", count=10)
    answers = [server.client.get("/api/health").status_code for _ in range(5)]
    answers += [server.client.get("/api/sessions").status_code for _ in range(5)]
    for connection in waiting:
        connection.close()
    backend.close()

    assert answers == [200] * 10  # there is one thread, and it was free


def test_a_command_goes_on_when_its_client_leaves(fleet: Fleet):
    made = fleet.backend.add(id=f"bot-{time.time_ns()}")
    fleet.client.get("/api/instances")
    fleet.backend.fail("pause", Slow(0.5))
    host, _, port = fleet.server.url.removeprefix("http://").partition(":")

    with socket.create_connection((host, int(port))) as connection:
        head = f"POST /api/instances/{made.id}/pause HTTP/1.1\r\nHost: {host}\r\n"
        connection.sendall(f"{head}X-API-Key: {fleet.server.admin_key}\r\n\r\n".encode())
        fleet.backend.wait_for("pause")

    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (facts := fleet.facts("instance_command", instance_id=made.id)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert (facts[0]["operation"], facts[0]["outcome"]) == ("pause", "done")
