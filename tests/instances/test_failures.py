"""What the backend does wrong, as the gateway's clients hear of it."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.conftest import StartServer
from tests.instances.conftest import KEY, Fleet
from tests.instances.fake_backend import FakeBackend
from tests.instances.fake_instance import SECRETS
from tests.instances.faults import BAD_JSON, REDIRECT, Answer, Chunks, Fault, Hang, Raw, Reset, Slow

#: Of each operation: method, path, and how its errors begin.
OPERATIONS = {
    "list": ("GET", "/api/instances", "List instances error: "),
    "create": ("POST", "/api/instances", "Create instance error: "),
    "get": ("GET", "/api/instances/bot", "Get instance error: "),
    "kill": ("DELETE", "/api/instances/bot", "Kill instance error: "),
    "pause": ("POST", "/api/instances/bot/pause", "Pause instance error: "),
    "restart": ("POST", "/api/instances/bot/restart", "Restart instance error: "),
    "health": ("GET", "/api/instances/bot/health", "Instance health error: "),
    "logs": ("GET", "/api/instances/bot/logs", "Instance logs error: "),
}
FAULTS: list[tuple[str, Fault, int, str, str]] = [
    (
        "400",
        Answer(400, {"error": "bad name"}),
        400,
        "400 Bad Request: bad name",
        "instance_request_refused",
    ),
    (
        "401",
        Answer(401, {"error": "no"}),
        502,
        "401 Unauthorized: the backend does not take the configured key",
        "instance_backend_failed",
    ),
    (
        "403",
        Answer(403, {"error": "no"}),
        502,
        "403 Forbidden: the backend does not take the configured key",
        "instance_backend_failed",
    ),
    ("404", Answer(404, {"error": "gone"}), 404, "404 Not Found: gone", "instance_not_found"),
    ("409", Answer(409, {"detail": "busy"}), 409, "409 Conflict: busy", "instance_request_refused"),
    (
        "418",
        Answer(418, {"message": "tea"}),
        502,
        "418 I'm a Teapot: tea",
        "instance_backend_failed",
    ),
    (
        "422",
        Answer(422, b"plain\ntext"),
        422,
        "422 Unprocessable Entity: plain text",
        "instance_request_refused",
    ),
    (
        "429",
        Answer(429, {"error": "slow down"}),
        503,
        "429 Too Many Requests: slow down",
        "instance_backend_busy",
    ),
    (
        "500",
        Answer(500, {"error": "boom"}),
        502,
        "500 Internal Server Error: boom",
        "instance_backend_failed",
    ),
    (
        "501",
        Answer(501, {"error": "not here"}),
        501,
        "501 Not Implemented: not here",
        "not_supported",
    ),
    (
        "object",
        Answer(409, {"id": "bot", "status": "busy", **SECRETS}),
        409,
        "409 Conflict",
        "instance_request_refused",
    ),
    (
        "half an object",
        Answer(409, b'{"id": "bot", "root_password": "hunter2'),
        409,
        "409 Conflict",
        "instance_request_refused",
    ),
    (
        "quoted object",
        Answer(400, {"error": f"cannot take {SECRETS}"}),
        400,
        "400 Bad Request",
        "instance_request_refused",
    ),
    (
        "key",
        Answer(400, {"error": "no sk-0123456789abcdefghij here"}),
        400,
        "400 Bad Request: no [redacted] here",
        "instance_request_refused",
    ),
    ("503", Answer(503), 502, "503 Service Unavailable", "instance_backend_failed"),
    (
        "999",
        Raw(b"HTTP/1.1 599 Odd\r\nContent-Length: 0\r\n\r\n"),
        502,
        "599",
        "instance_backend_failed",
    ),
    (
        "page",
        Answer(502, b"<h1>nginx</h1>", {"Content-Type": "text/html"}),
        502,
        "502 Bad Gateway",
        "instance_backend_failed",
    ),
    ("redirect", REDIRECT, 502, "302 Found: redirects are not followed", "instance_backend_failed"),
    ("reset", Reset(), 502, "the connection to the backend broke off", "instance_backend_failed"),
    (
        "hang up",
        Raw(b""),
        502,
        "the connection to the backend broke off",
        "instance_backend_failed",
    ),
    (
        "no http",
        Raw(b"\x16\x03\x01 hello\r\n\r\n"),
        502,
        "the connection to the backend broke off",
        "instance_backend_failed",
    ),
    ("slow", Slow(30), 504, "the backend did not answer in time", "instance_backend_timed_out"),
    ("hang", Hang(), 504, "the backend did not answer in time", "instance_backend_timed_out"),
]


def ask(client: httpx.Client, operation: str) -> httpx.Response:
    method, path, _ = OPERATIONS[operation]
    return client.request(method, path, json={} if operation == "create" else None)


@pytest.fixture
def bot(fleet: Fleet) -> Iterator[Fleet]:
    fleet.backend.add("bot", id="bot")
    yield fleet


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault[0])
def test_each_fault_has_its_status_and_words(bot: Fleet, fault: tuple[str, Fault, int, str, str]):
    _, does, status, said, code = fault
    bot.backend.fail("get", does)

    answer = ask(bot.client, "get")

    assert (answer.status_code, answer.json()) == (status, {"error": f"Get instance error: {said}"})
    assert answer.headers["X-Error-Code"] == code


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_route_begins_with_its_own_words(bot: Fleet, operation: str):
    bot.backend.fail(operation, Answer(500, {"error": "boom"}))

    answer = ask(bot.client, operation)

    said = f"{OPERATIONS[operation][2]}500 Internal Server Error: boom"
    assert (answer.status_code, answer.json()) == (502, {"error": said})


@pytest.mark.parametrize("operation", OPERATIONS)
def test_nobody_who_listens_is_a_502(bot: Fleet, operation: str):
    bot.backend.refuse()
    try:
        answer = ask(bot.client, operation)
    finally:
        bot.backend.listen()

    said = f"{OPERATIONS[operation][2]}the backend cannot be reached"
    assert (answer.status_code, answer.json()) == (502, {"error": said})


@pytest.mark.parametrize("operation", ["list", "restart", "health"])
def test_a_backend_that_hangs_is_a_504(bot: Fleet, operation: str):
    bot.backend.fail(operation, Hang())

    answer = ask(bot.client, operation)

    said = f"{OPERATIONS[operation][2]}the backend did not answer in time"
    assert (answer.status_code, answer.json()) == (504, {"error": said})


@pytest.mark.parametrize("operation", ["list", "create", "get", "health"])
@pytest.mark.parametrize(
    "fault", [BAD_JSON, Answer(200, b""), Answer(200, {"is": "something else"}), Answer(204)]
)
def test_an_answer_that_is_none_is_a_502(bot: Fleet, operation: str, fault: Answer):
    bot.backend.fail(operation, fault)

    answer = ask(bot.client, operation)

    assert answer.status_code == 502
    assert answer.json()["error"].startswith(f"{OPERATIONS[operation][2]}Invalid response: ")


@pytest.mark.parametrize("operation", ["kill", "pause", "restart"])
@pytest.mark.parametrize("fault", [Answer(200, b"whatever"), Answer(202), Answer(204)])
def test_what_a_command_is_answered_with_does_not_matter(bot: Fleet, operation: str, fault: Answer):
    bot.backend.fail(operation, fault)

    assert ask(bot.client, operation).is_success


def test_half_an_answer_is_a_502(bot: Fleet):
    bot.backend.fail("list", Raw(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[{"id": "b'))

    answer = ask(bot.client, "list")

    said = "List instances error: the connection to the backend broke off"
    assert (answer.status_code, answer.json()) == (502, {"error": said})


def test_an_answer_that_stops_in_the_middle_is_a_504(bot: Fleet):
    bot.backend.fail("list", Chunks([b"[", b'{"id"'], ending="open"))

    assert ask(bot.client, "list").status_code == 504


@pytest.mark.parametrize(
    ("written", "passed_on"),
    [
        ({"Retry-After": "7"}, "7"),
        ({"Retry-After": "999999999999"}, "86400"),
        ({"Retry-After": "0"}, "1"),
        ({"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, "1"),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
def test_when_to_come_again_is_passed_on(
    bot: Fleet, written: dict[str, str], passed_on: str | None
):
    bot.backend.fail("list", Answer(429, b"", written))

    answer = ask(bot.client, "list")

    assert (answer.status_code, answer.headers.get("Retry-After")) == (503, passed_on)


def test_of_the_backends_words_500_characters_are_repeated(bot: Fleet):
    bot.backend.fail("list", Answer(500, b"x" * 100_000))

    answer = ask(bot.client, "list")

    said = f"List instances error: 500 Internal Server Error: {'x' * 500}"
    assert answer.json() == {"error": said}


def test_no_credential_and_no_address_is_in_an_error_or_a_log(start_server: StartServer):
    backend = FakeBackend(key="hunter2-the-key")
    address = backend.url.removeprefix("http://")
    server = start_server(
        env={
            "STARPOD_INSTANCE_BACKEND_URL": f"http://ada:pass-w%C3%B6rd@{address}",
            "STARPOD_INSTANCE_API_KEY": "hunter2-the-key",
            "STARPORT_INSTANCE_TIMEOUT": "1",
            "STARPORT_LOG_LEVEL": "DEBUG",
        },
        workers=0,
    )
    echo = f"Bearer hunter2-the-key at {backend.url} for ada:pass-wörd or ada:pass-w%C3%B6rd"
    faults: list[Any] = [
        *(Answer(status, {"error": echo}) for status in (400, 401, 403, 404, 409, 429, 500)),
        Answer(500, echo.encode()),
        Answer(302, b"", {"Location": f"{backend.url}/{echo.replace(' ', '-').encode().hex()}"}),
        BAD_JSON,
        Reset(),
    ]

    said = []
    for fault in faults:
        backend.fail("*", fault)
        said += [ask(server.client, operation).text for operation in OPERATIONS]
    backend.fail("*", Hang())
    said.append(ask(server.client, "list").text)
    backend.close()
    said += [ask(server.client, operation).text for operation in OPERATIONS]
    said.append(server.client.get("/v1/audit", params={"limit": 1000}).text)
    said.append(server.errors())

    for secret in ("hunter2", "pass-w", address):
        assert [text for text in said if secret in text] == []


def test_a_wrong_key_is_our_mistake_and_not_the_callers(start_server: StartServer):
    backend = FakeBackend(key=KEY)
    env = {"STARPOD_INSTANCE_BACKEND_URL": backend.url, "ANTHROPIC_API_KEY": "sk-of-the-model"}
    server = start_server(env=env, workers=0)

    answer = ask(server.client, "list")
    backend.close()

    assert answer.status_code == 502
    # For want of a key of its own the one of the model provider is sent, as it always was.
    assert backend.requests[0].headers["authorization"] == "Bearer sk-of-the-model"


def test_one_instance_that_cannot_be_read_hides_no_other(fleet: Fleet):
    readable = {"id": "web-1", "status": "running", "created_at": 1774015509}
    odd = [{**readable, "id": ":"}, {**readable, "id": "bot", "created_at": None}, 7]
    said_before = fleet.server.errors().count("are left out")
    fleet.backend.add("bot", id="bot")
    assert [one["id"] for one in fleet.client.get("/api/instances").json()] == ["bot"]
    fleet.backend.fail("list", Answer(200, [odd[0], readable, *odd[1:]]))

    listed = [fleet.client.get("/api/instances") for _ in range(3)]

    assert [one["id"] for answer in listed for one in answer.json()] == ["web-1"] * 3
    assert fleet.server.errors().count("are left out") == said_before + 1
    assert "starport_instances_unreadable 3.0" in fleet.client.get("/metrics").text
    # It is listed, and so nobody takes it for ended.
    newest, *_ = fleet.facts("instance_status_changed", instance_id="bot")
    assert newest["status"] == "running"
