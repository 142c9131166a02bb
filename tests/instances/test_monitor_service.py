"""The monitor of a running server: its settings, its turn, and to whom it tells what."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection

from tests.chat.socket.client import chat_socket, receive, send
from tests.chat.telegram.bot_api_server import TOKEN, BotApiServer
from tests.chat.telegram.conftest import Bot
from tests.conftest import StartServer
from tests.e2e.driving import until
from tests.instances.conftest import KEY, Fleet
from tests.instances.fake_backend import FakeBackend
from tests.server import RunningServer, launch

WITHOUT_TURNS = """
from django.db import connection
connection.cursor().execute("DROP TABLE chat_servicelease")
"""
DEFAULTS = {"poll_seconds": 86_400}


@contextmanager
def watched(client: httpx.Client, **settings: Any) -> Iterator[None]:
    """The server polls each second meanwhile."""
    put(client, poll_seconds=1, **settings)
    try:
        yield
    finally:
        put(client, **DEFAULTS)


def put(client: httpx.Client, **settings: Any) -> None:
    answer = client.put("/api/settings/instances", json=settings)
    assert answer.status_code == 200, answer.text


def forget_those_of_other_tests(fleet: Fleet) -> None:
    """When the second round begins, the first has noticed that they are gone."""
    with watched(fleet.client):
        fleet.backend.wait_for("list", count=2)


def listens(socket: ClientConnection) -> None:
    """From here on: it answers."""
    socket.send("{")
    assert receive(socket)["type"] == "error"


def notifications(socket: ClientConnection, count: int) -> list[dict[str, Any]]:
    frames = [receive(socket) for _ in range(count)]
    assert {frame.pop("type") for frame in frames} == {"notification"}
    return frames


def told_until_asked(socket: ClientConnection) -> list[dict[str, Any]]:
    send(socket, {})
    frames = []
    while (frame := receive(socket))["type"] != "error":
        frames.append(frame)
    return frames


def metric(client: httpx.Client, series: str) -> float:
    for line in client.get("/metrics").text.splitlines():
        if line.startswith(f"{series} "):
            return float(line.rpartition(" ")[2])
    return 0.0


def test_what_goes_silent_and_comes_back_is_told_to_those_who_may_read_instances(fleet: Fleet):
    forget_those_of_other_tests(fleet)
    with ExitStack() as stack:
        analyst = stack.enter_context(fleet.as_role("analyst"))
        stranger = stack.enter_context(without_instances(fleet))
        may, may_not = (stack.enter_context(chat_socket(one)) for one in (analyst, stranger))
        listens(may)
        listens(may_not)
        web = fleet.backend.add(name="web-1")
        stack.enter_context(watched(fleet.client, heartbeat_timeout=60))

        assert notifications(may, 1)[0]["result_preview"] == "new → running"
        web.heartbeat_at = int(time.time()) - 100
        told = notifications(may, 2)

        assert told[0].pop("result_preview").startswith("running → error: no heartbeat for 1")
        assert told == [
            {"job_name": "Instance web-1", "session_id": "", "success": False},
            {
                "job_name": "Instance web-1",
                "session_id": "",
                "result_preview": "error → running",
                "success": True,
            },
        ]
        assert told_until_asked(may_not) == []
    assert metric(fleet.client, 'starport_instance_restarts_total{outcome="done"}') >= 1
    stale = 'starport_instance_changes_total{cause="stale",status="error"}'
    assert metric(fleet.client, stale) >= 1
    assert fleet.facts("instance_restarted", instance_id=web.id, outcome="done")


@contextmanager
def without_instances(fleet: Fleet) -> Iterator[httpx.Client]:
    """Somebody who may chat and nothing else."""
    body = {"label": "chat", "capabilities": ["chat:use"]}
    with fleet.as_role("user") as user:
        me = user.get("/api/auth/verify").json()
        issued = fleet.client.post(
            f"/api/settings/auth/users/{me['user']['id']}/api-keys", json=body
        )
        assert issued.status_code == 201, issued.text
        headers = {"X-API-Key": issued.json()["key"]}
        with httpx.Client(base_url=fleet.server.url, headers=headers, timeout=30.0) as client:
            yield client


def test_many_changes_at_once_are_one_notification(fleet: Fleet):
    forget_those_of_other_tests(fleet)
    with chat_socket(fleet.client) as socket:
        listens(socket)
        for number in range(40):
            fleet.backend.add(status="paused" if number % 4 else "running")

        with watched(fleet.client):
            told = notifications(socket, 1)

    assert told[0]["job_name"] == "40 instances"
    assert told[0]["result_preview"] == "30 × new → paused, 10 × new → running"
    assert told[0]["success"] is True


def test_a_change_of_the_settings_acts_without_a_restart(fleet: Fleet):
    silent = fleet.backend.add(heartbeat_at=int(time.time()) - 100, restart_heals=False)
    with watched(fleet.client, heartbeat_timeout=600):
        fleet.backend.wait_for("health", count=2)
        assert not fleet.facts("instance_status_changed", instance_id=silent.id, cause="stale")

        put(fleet.client, poll_seconds=1, heartbeat_timeout=60, auto_restart=False)
        until(
            lambda: bool(
                fleet.facts("instance_status_changed", instance_id=silent.id, cause="stale")
            )
        )
        assert not fleet.backend.seen("restart")

        put(fleet.client, poll_seconds=1, heartbeat_timeout=60)
        fleet.backend.wait_for("restart")


def test_the_first_look_comes_after_one_interval(start_server: StartServer, backend: FakeBackend):
    began = time.monotonic()

    start_server(env=configured_with(backend, poll=2), workers=0)
    first = backend.wait_for("list")[0]

    assert first.at - began >= 2


def test_a_server_that_is_killed_has_not_forgotten_how_often_it_tried(
    start_server: StartServer, backend: FakeBackend
):
    backend.add(heartbeat_at=1, restart_heals=False)
    env = configured_with(backend, poll=1, STARPORT_INSTANCE_HEARTBEAT_TIMEOUT="1")
    server = start_server(env=env, workers=0)
    put(server.client, poll_seconds=1, heartbeat_timeout=1, restarts_per_hour=2)
    backend.wait_for("restart", count=1)

    server.kill()
    server.start_again()
    backend.wait_for("restart", count=2)
    until(lambda: has_given_up(server.client))
    looks = backend.counts["health"]
    backend.wait_for("health", count=looks + 3)

    assert len(backend.seen("restart")) == 2


def has_given_up(client: httpx.Client) -> bool:
    answer = client.get("/v1/audit", params={"kind": "instance_given_up"})
    return bool(answer.json()["items"])


def test_a_server_stops_in_order_although_its_turn_cannot_be_given_up(
    start_server: StartServer, backend: FakeBackend
):
    server = start_server(env=configured_with(backend, poll=86_400), workers=0, may_fail=True)
    broken = server.manage("shell", "-c", WITHOUT_TURNS)
    assert broken.returncode == 0, broken.stderr

    assert server.stop() == 0
    assert "a turn could not be given up" in server.errors()


@pytest.mark.skipif("DATABASE_URL" not in os.environ, reason="a data folder has one server")
def test_of_two_servers_one_polls_and_the_other_takes_over(
    start_server: StartServer, backend: FakeBackend, tmp_path: Path
):
    backend.add()
    first = start_server(env=configured_with(backend, poll=1), workers=0)
    backend.wait_for("list", count=2)
    other = second_server(first, tmp_path)
    try:
        lists = backend.counts["list"]
        backend.wait_for("list", count=lists + 3)
        assert rounds_of(other) == 0

        first.stop()
        until(lambda: rounds_of(other) > 1)
    finally:
        other.stop()


def second_server(first: RunningServer, folder: Path) -> RunningServer:
    environment = {**first.environment, "STARPORT_DATA": str(folder)}
    return launch(folder, environment, admin_key=first.admin_key, workers=0)


def rounds_of(server: RunningServer) -> float:
    return metric(server.client, 'starport_instance_rounds_total{outcome="done"}')


def configured_with(backend: FakeBackend, *, poll: int, **more: str) -> dict[str, str]:
    return {
        "STARPOD_INSTANCE_BACKEND_URL": backend.url,
        "STARPOD_INSTANCE_API_KEY": KEY,
        "STARPORT_INSTANCE_POLL_SECONDS": str(poll),
        **more,
    }


def test_telegram_tells_administrators_what_went_wrong_and_nothing_else(
    start_server: StartServer, backend: FakeBackend
):
    telegram = BotApiServer()
    try:
        env = {"TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_API_BASE": telegram.url}
        server = start_server(env={**env, **configured_with(backend, poll=1)})
        bot = Bot(server, telegram)
        bot.configure()
        ada = bot.user(1, role="admin")
        bot.user(2, role="user")
        telegram.say("are you there?", sender=ada, chat=1)
        telegram.texts(1)  # the bot is
        web = backend.add(name="web-1", restart_heals=False)
        backend.wait_for("health", count=2)

        web.heartbeat_at = int(time.time()) - 100

        told = telegram.texts(1, 2)[1:]
        assert [text.partition(":")[0] for text in told] == ["❌ Instance web-1\nrunning → error"]
        assert telegram.texts(2, 0) == []
    finally:
        telegram.close()
