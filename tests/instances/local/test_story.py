"""One instance of two dies, and everybody who watches the fleet sees it come back."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.chat.socket.client import chat_socket
from tests.chat.webhooks.receiver import Receiver
from tests.conftest import StartServer
from tests.instances.local.machine import (
    answers,
    chat,
    kill_what_is_left,
    lives,
    member,
    pid_of,
    read_record,
    until,
)
from tests.runs.graph_api.test_socket_access import log_in
from tests.server import RunningServer

ENVIRONMENT = {
    "STARPORT_INSTANCE_BACKEND": "local",
    "STARPORT_INSTANCE_POLL_SECONDS": "1",
    "STARPORT_INSTANCE_HEARTBEAT_TIMEOUT": "5",
    "STARPORT_SSRF_ALLOW": "127.0.0.0/8",
}


@pytest.fixture
def fleet(start_server: StartServer) -> Iterator[RunningServer]:
    server = start_server(env=ENVIRONMENT, workers=0)
    yield server
    kill_what_is_left(server.data_dir)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


def test_a_killed_instance_comes_back_with_its_data_and_everybody_is_told(
    fleet: RunningServer, receiver: Receiver
):
    anna, bert = (create(fleet, name) for name in ("Anna", "Bert"))
    secret = subscribe(fleet, receiver)
    until(lambda: is_running(fleet, anna) and is_running(fleet, bert))
    with talking_to(fleet, anna) as client, heard(fleet) as notifications:
        assert chat(client, "hello")["text"] == "You said: hello"
        before, killed = conversations(client), pid_of(folder(fleet), anna)

        os.kill(killed, signal.SIGKILL)

        until(lambda: [told["success"] for told in notifications] == [False, True])
        until(lambda: answers(str(client.base_url)))
        assert conversations(client) == before

    until(lambda: changes(fleet, anna)[-2:] == [("error", "stale"), ("running", "recovered")])
    assert pid_of(folder(fleet), anna) != killed
    assert lives(pid_of(folder(fleet), bert))
    assert {told["job_name"] for told in notifications} == {"Instance Anna"}
    assert all(told["session_id"] == "" for told in notifications)
    until(lambda: told_by_webhook(receiver, anna)[-2:] == ["error", "running"])
    assert all(received.is_signed_with(secret) for received in receiver.received)
    page = page_of(fleet, anna)
    assert "no heartbeat" in page
    assert "recovered" in page


def test_what_is_paused_stays_so_and_keeps_its_data(fleet: RunningServer):
    anna = create(fleet, "Anna")
    until(lambda: is_running(fleet, anna))
    with talking_to(fleet, anna) as client:
        chat(client, "remember me")
        before = conversations(client)

        assert command(fleet, anna, "pause") == {"status": "paused"}
        assert get(fleet, anna)["status"] == "paused"
        assert not answers(str(client.base_url))
        assert command(fleet, anna, "restart") == {"status": "restarted"}

        until(lambda: answers(str(client.base_url)))
        assert conversations(client) == before


def folder(server: RunningServer) -> Path:
    return server.data_dir / "instances"


def create(server: RunningServer, name: str) -> str:
    answer = server.client.post("/api/instances", json={"name": name})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def get(server: RunningServer, instance_id: str) -> dict[str, Any]:
    found: dict[str, Any] = server.client.get(f"/api/instances/{instance_id}").json()
    return found


def is_running(server: RunningServer, instance_id: str) -> bool:
    return bool(get(server, instance_id)["status"] == "running")


def command(server: RunningServer, instance_id: str, name: str) -> Any:
    answer = server.client.post(f"/api/instances/{instance_id}/{name}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def conversations(client: httpx.Client) -> Any:
    return client.get("/api/sessions").json()


@contextmanager
def talking_to(server: RunningServer, instance_id: str) -> Iterator[httpx.Client]:
    port = read_record(folder(server), instance_id)["port"]
    with member(folder(server), instance_id, f"http://127.0.0.1:{port}") as client:
        yield client


@contextmanager
def heard(server: RunningServer) -> Iterator[list[dict[str, Any]]]:
    """The notifications that an open socket gets meanwhile."""
    told: list[dict[str, Any]] = []

    def listen() -> None:
        with suppress(ConnectionClosed):
            for message in socket:
                frame = json.loads(message)
                if frame["type"] == "notification":
                    told.append(frame)

    with chat_socket(server.client) as socket:
        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        yield told
    listener.join()


def subscribe(server: RunningServer, receiver: Receiver) -> str:
    """The secret that what is sent is signed with."""
    body = {"url": receiver.url, "events": ["instance.status_changed"]}
    answer = server.client.post("/api/settings/webhooks", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["secret"])


def told_by_webhook(receiver: Receiver, instance_id: str) -> list[str]:
    ours = [one.data for one in receiver.received if one.data["instance_id"] == instance_id]
    return [data["status"] for data in sorted(ours, key=lambda data: str(data["changed_at"]))]


def changes(server: RunningServer, instance_id: str) -> list[tuple[str, str]]:
    """Statuses and causes in the audit trail, the oldest first."""
    query: dict[str, str | int] = {"kind": "instance_status_changed", "limit": 500}
    facts = [one["fact"] for one in server.client.get("/v1/audit", params=query).json()["items"]]
    ours = [fact for fact in facts if fact["instance_id"] == instance_id]
    return [(fact["status"], fact["cause"]) for fact in reversed(ours)]


def page_of(server: RunningServer, instance_id: str) -> str:
    """What an administrator's browser shows of it."""
    with httpx.Client(base_url=server.url, timeout=60.0) as browser:
        page = browser.get(
            f"/admin/fleet/instances/{instance_id}/", headers={"Cookie": log_in(server)}
        )
    assert page.status_code == 200
    return page.text
