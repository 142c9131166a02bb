"""Instances and the life of the server that has them: `STARPORT_INSTANCE_BACKEND=local`."""

import asyncio
import fcntl
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from instances.backends.local import LocalBackend
from instances.objects import Report, Status
from tests.conftest import StartServer
from tests.instances.local.machine import (
    answers,
    chat,
    kill_what_is_left,
    lives,
    member,
    pid_of,
    until,
)
from tests.server import RunningServer, clean_environment, run_manage

#: Nobody looks and restarts but the server's start itself.
LOCAL = {"STARPORT_INSTANCE_BACKEND": "local", "STARPORT_INSTANCE_POLL_SECONDS": "86400"}

ResultT = TypeVar("ResultT")


@pytest.fixture
def server_with_instances(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunningServer]:
    monkeypatch.setenv("STARPORT_MODELS", "scripted:scripted")  # of what this process starts
    server = start_server(env=LOCAL, workers=0)
    yield server
    server.stop()
    kill_what_is_left(server.data_dir)


def test_instances_outlive_a_server_that_is_killed_and_the_next_one_takes_them_over(
    server_with_instances: RunningServer,
):
    server = server_with_instances
    folder = server.data_dir / "instances"
    anna = create_running(folder, "Anna")
    pid = pid_of(folder, anna.id)

    server.kill()
    with member(folder, anna.id, anna.web_url) as client:
        chat(client, "still there?")
    server.start_again()
    until(lambda: holds_turn(folder))

    assert answers(anna.web_url)
    assert pid_of(folder, anna.id) == pid
    server.stop()
    assert not lives(pid)


def test_instances_stop_with_their_server_and_those_that_ran_start_with_the_next(
    server_with_instances: RunningServer,
):
    server = server_with_instances
    folder = server.data_dir / "instances"
    anna, bert = create_over_http(server, "Anna"), create_over_http(server, "Bert")
    paused = server.client.post(f"/api/instances/{bert}/pause")
    assert paused.is_success, paused.text

    exit_code = server.stop()
    stopped = statuses(folder)
    server.start_again()
    until(lambda: server.client.get(f"/api/instances/{anna}/health").json()["uptime_secs"] > 0)

    assert exit_code == 0
    assert stopped == {anna: Status.PAUSED, bert: Status.PAUSED}
    listed = {one["id"]: one["status"] for one in server.client.get("/api/instances").json()}
    assert listed == {anna: "running", bert: "paused"}


def test_the_cleared_profile_does_not_start_servers_without_tls(tmp_path: Path):
    environment = clean_environment(
        tmp_path,
        STARPORT_INSTANCE_BACKEND="local",
        STARPORT_TRUSTED_PROXIES="127.0.0.1/32",
        STARPORT_PROFILE="cleared",
    )

    refused = run_manage("serve", "--addr", "127.0.0.1:0", environment=environment)

    assert refused.returncode == 3
    assert "STARPORT_INSTANCE_BACKEND=local would start servers without TLS" in refused.stderr


# --- Helpers ----------------------------------------------------------------------------------


def on(folder: Path, operate: Callable[[LocalBackend], Coroutine[Any, Any, ResultT]]) -> ResultT:
    """Operate the folder from another process than the server's, as the command line does."""

    async def operated() -> ResultT:
        backend = LocalBackend(folder)
        try:
            return await operate(backend)
        finally:
            await backend.aclose()

    return asyncio.run(operated())


def create_running(folder: Path, name: str) -> Report:
    report = on(folder, lambda backend: backend.create(name=name, region=None))
    until(lambda: statuses(folder)[report.id] is Status.RUNNING)
    return report


def create_over_http(server: RunningServer, name: str) -> str:
    made = server.client.post("/api/instances", json={"name": name})
    assert made.is_success, made.text
    path = f"/api/instances/{made.json()['id']}"
    until(lambda: server.client.get(path).json()["status"] == "running")
    return str(made.json()["id"])


def statuses(folder: Path) -> dict[str, Status]:
    reports = on(folder, lambda backend: backend.list_instances())
    return {report.id: report.status for report in reports}


def holds_turn(folder: Path) -> bool:
    """Whether some server looks after the folder."""
    with (folder / ".supervisor").open("rb+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
