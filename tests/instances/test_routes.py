"""`/api/instances`: the seven routes, for an administrator, while the backend is well."""

from typing import Any

import pytest

from tests.conftest import StartServer
from tests.instances.conftest import Fleet
from tests.instances.fake_backend import FakeBackend

NOT_CONFIGURED = "Instance backend not configured (set STARPOD_INSTANCE_BACKEND_URL)"
ROUTES = [
    ("GET", "/api/instances"),
    ("POST", "/api/instances"),
    ("GET", "/api/instances/bot"),
    ("DELETE", "/api/instances/bot"),
    ("POST", "/api/instances/bot/pause"),
    ("POST", "/api/instances/bot/restart"),
    ("GET", "/api/instances/bot/health"),
    ("GET", "/api/instances/bot/logs"),
]


def object_of(backend: FakeBackend, instance_id: str, **changes: Any) -> dict[str, Any]:
    instance = backend.instances[instance_id]
    return {
        "id": instance_id,
        "name": instance.name,
        "status": instance.status,
        "region": instance.region,
        "created_at": instance.created_at,
        "updated_at": instance.updated_at,
        "health": None,
        **changes,
    }


def test_the_list_has_the_objects_of_the_contract_in_the_backends_order(fleet: Fleet):
    fleet.backend.add("second", id="z", region="eu", extra={"ip_address": "192.0.2.1"})
    fleet.backend.add(id="a", status="paused")

    answer = fleet.client.get("/api/instances")

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json() == [object_of(fleet.backend, "z"), object_of(fleet.backend, "a")]


def test_an_empty_fleet_is_an_empty_list(fleet: Fleet):
    assert fleet.client.get("/api/instances").json() == []


def test_an_object_has_its_health_when_the_backend_sends_it(fleet: Fleet):
    made = fleet.backend.add(id="bot", heartbeat_at=1774015509)
    fleet.backend.lists_health = True

    answer = fleet.client.get("/api/instances/bot")

    health = answer.json()["health"]
    assert health == {**made.health(), "uptime_secs": health["uptime_secs"]}


@pytest.mark.parametrize("wanted", [{"name": "bot", "region": "eu"}, {"name": "bot"}, {}])
def test_what_is_created_is_answered_with_201(fleet: Fleet, wanted: dict[str, str]):
    answer = fleet.client.post("/api/instances", json={**wanted, "unknown": 1})

    (instance_id,) = fleet.backend.instances
    assert answer.status_code == 201
    assert answer.json() == object_of(fleet.backend, instance_id, status="creating")
    assert (answer.json()["name"], answer.json()["region"]) == (
        wanted.get("name"),
        wanted.get("region"),
    )


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b"{", 400, "The request body is not valid JSON"),
        (b"[]", 422, "The request body must be a JSON object"),
        (b'{"name": 7}', 422, "name: Input should be a valid string"),
        (b'{"region": ["eu"]}', 422, "region: Input should be a valid string"),
        (b'{"name": "%b"}' % (b"x" * 201), 400, "name: String should have at most 200 characters"),
    ],
)
def test_a_body_that_is_none_is_refused_before_the_backend_is_asked(
    fleet: Fleet, body: bytes, status: int, error: str
):
    headers = {"Content-Type": "application/json"}
    answer = fleet.client.post("/api/instances", content=body, headers=headers)

    assert (answer.status_code, answer.json()) == (status, {"error": error})
    assert len(fleet.backend.requests) == 0


def test_a_body_of_another_type_is_415(fleet: Fleet):
    assert fleet.client.post("/api/instances", content=b"name=bot").status_code == 415


def test_one_instance_is_answered_as_its_object(fleet: Fleet):
    fleet.backend.add("bot", id="bot")

    answer = fleet.client.get("/api/instances/bot")

    assert (answer.status_code, answer.json()) == (200, object_of(fleet.backend, "bot"))


def test_a_killed_one_is_answered_with_204_and_gone(fleet: Fleet):
    fleet.backend.add(id="bot")

    answer = fleet.client.delete("/api/instances/bot")

    assert (answer.status_code, answer.content) == (204, b"")
    assert fleet.client.get("/api/instances/bot").status_code == 404


@pytest.mark.parametrize(
    ("command", "word", "status"),
    [("pause", "paused", "paused"), ("restart", "restarted", "running")],
)
def test_a_command_is_answered_with_its_word(fleet: Fleet, command: str, word: str, status: str):
    made = fleet.backend.add(id="bot", status="paused" if command == "restart" else "running")

    answer = fleet.client.post(f"/api/instances/bot/{command}")

    assert (answer.status_code, answer.json()) == (200, {"status": word})
    assert made.status == status


def test_health_is_answered_as_the_contract_has_it(fleet: Fleet):
    fleet.backend.add(id="bot", heartbeat_at=1774015509, updated_at=2**40)

    answer = fleet.client.get("/api/instances/bot/health")

    assert answer.status_code == 200
    assert answer.json() == {
        "cpu_percent": 12.5,
        "memory_mb": 256,
        "disk_mb": 1024,
        "last_heartbeat": 1774015509,
        "uptime_secs": 0,
    }


@pytest.mark.parametrize("instance_id", ["a%20b", "b%C3%B6t", "%2e%2e", "a:b", "x" * 129, "a%00"])
def test_an_id_that_cannot_be_one_is_404_and_nobody_is_asked(fleet: Fleet, instance_id: str):
    for method, path in [*ROUTES[2:]]:
        answer = fleet.client.request(method, path.replace("bot", instance_id))
        assert answer.status_code == 404, path
    # What an earlier test gave up may still arrive.
    asked = [seen.path for seen in fleet.backend.requests if "/inst-" not in seen.path]
    assert asked == []


@pytest.mark.parametrize("instance_id", ["x", "A.b_c-9", "...", "x" * 128])
def test_any_other_id_is_asked_for(fleet: Fleet, instance_id: str):
    fleet.backend.add(id=instance_id)

    assert fleet.client.get(f"/api/instances/{instance_id}/health").status_code == 200


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/instances", "GET, HEAD, POST"),
        ("/api/instances/bot", "GET, HEAD, DELETE"),
        ("/api/instances/bot/pause", "POST"),
        ("/api/instances/bot/restart", "POST"),
        ("/api/instances/bot/health", "GET, HEAD"),
        ("/api/instances/bot/logs", "GET, HEAD"),
    ],
)
def test_another_method_is_405_with_those_there_are(fleet: Fleet, path: str, allowed: str):
    answer = fleet.client.put(path)

    assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)


@pytest.mark.parametrize(
    "path",
    [
        "/api/instances",
        "/api/instances/bot",
        "/api/instances/bot/health",
        "/api/instances/bot/logs",
    ],
)
def test_head_answers_as_get_does_without_a_body(fleet: Fleet, path: str):
    fleet.backend.add(id="bot")

    answer = fleet.client.head(path)

    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    "path", ["/api/instances/", "/api/instances/bot/", "/api/instances/bot/ssh"]
)
def test_other_paths_are_404(fleet: Fleet, path: str):
    fleet.backend.add(id="bot")

    answer = fleet.client.get(path)

    assert (answer.status_code, answer.json()) == (404, {"error": "Not found"})


def test_without_a_backend_every_route_is_503(start_server: StartServer):
    server = start_server(workers=0)

    for method, path in ROUTES:
        body: dict[str, str] | None = {} if (method, path) == ROUTES[1] else None
        answer = server.client.request(method, path, json=body)
        assert (answer.status_code, answer.json()) == (503, {"error": NOT_CONFIGURED}), path
        assert answer.headers["X-Error-Code"] == "instances_not_configured"
    malformed = server.client.post("/api/instances", json={"name": 7})
    assert malformed.status_code == 422  # bodies are looked at first


def test_a_backend_of_the_second_generation_is_shown_as_the_first(start_server: StartServer):
    backend = FakeBackend(generation=2)
    made = backend.add("bot", id="bot", region="eu-west1-b")
    server = start_server(env={"STARPOD_INSTANCE_BACKEND_URL": backend.url + "/"}, workers=0)

    listed = server.client.get("/api/instances")
    paused = server.client.post("/api/instances/bot/pause")
    shown = server.client.get("/api/instances/bot")
    backend.close()

    expected = object_of(backend, "bot", status="running", updated_at=made.created_at)
    assert listed.json() == [expected]
    assert (paused.json(), made.status) == ({"status": "paused"}, "stopped")
    assert shown.json() == {**expected, "status": "paused"}
