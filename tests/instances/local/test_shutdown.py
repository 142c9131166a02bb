"""A server that stops while its instances are being worked on."""

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from instances.pages.commands import COMMANDS, give
from instances.pages.under_way import GOES_ON
from tests.accounts.cast import facts
from tests.conftest import StartServer
from tests.instances.local.machine import hanging_instance, lives, read_record, until
from tests.instances.pages.rows import make_instance
from tests.runs.api.daemon import IS_CELERY, Daemon
from tests.runs.graph_api.test_socket_access import log_in
from tests.server import RunningServer

LOCAL = {
    "STARPORT_INSTANCE_BACKEND": "local",
    "STARPORT_INSTANCE_POLL_SECONDS": "86400",
    "STARPORT_DRAIN_SECONDS": "20",
}


@pytest.fixture
def server(start_server: StartServer) -> RunningServer:
    return start_server(env=LOCAL, flags=["--workers", "1"], workers=0)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


@pytest.mark.django_db(transaction=True)
def test_what_a_page_did_not_wait_for_is_done_all_the_same(settings, tmp_path: Path):
    settings.STARPORT_INSTANCE_BACKEND, settings.DATA_DIR = "local", tmp_path
    settings.STARPORT_DRAIN_SECONDS = -7.0  # which leaves a second until SIGKILL
    make_instance("hangs")
    folder = tmp_path / "instances"
    with hanging_instance(folder, "hangs") as process:
        told = give(COMMANDS["pause"], ["hangs"], actor="olga", patience=0.1)

        assert told == {"hangs": GOES_ON}
        until(lambda: not lives(process.pid))
        until(lambda: bool(facts("instance_command")))
        assert facts("instance_command")[-1]["outcome"] == "done"
        assert read_record(folder, "hangs")["process"] is None


@pytest.mark.skipif(IS_CELERY, reason="workers drain by themselves")
def test_a_server_that_stops_begins_neither_an_instance_nor_a_run_while_one_still_ends(
    server: RunningServer, pool: ThreadPoolExecutor
):
    daemon, folder = Daemon(server.client), server.data_dir / "instances"
    with hanging_instance(folder, "hangs") as process:
        assert [one["id"] for one in server.client.get("/api/instances").json()] == ["hangs"]
        ending = daemon.start_and_wait_for("TurnStarted", "!sleep 3\n!say done")
        waiting = daemon.start("hello")
        pausing = pool.submit(pause_on_its_page, server, "hangs")
        until(lambda: read_record(folder, "hangs")["wanted"] == "paused")

        server.process.send_signal(signal.SIGTERM)

        until(lambda: server.client.get("/api/v1/readyz").status_code != 200)
        refused = server.client.post("/api/instances", json={"name": "late"})
        until(lambda: daemon.detail(ending)["status"] != "running")
        assert lives(process.pid)
        process.kill()
        assert pausing.result() == 302
        assert server.process.wait() == 0

    assert refused.status_code == 503
    assert "this server is stopping" in refused.json()["error"]
    assert [path.name for path in folder.iterdir() if path.is_dir()] == ["hangs"]
    runs = map(json.loads, server.manage("runs", "list", "--json").stdout.splitlines())
    assert {run["run_id"]: run["status"] for run in runs}[waiting] == "queued"
    commands = server.manage("audit", "list", "--kind", "instance_command", "--json").stdout
    assert '"outcome":"done"' in commands.replace(" ", "")


def pause_on_its_page(server: RunningServer, instance_id: str) -> int:
    """The status that an administrator's browser is answered with."""
    path, cookies = f"/admin/fleet/instances/{instance_id}/pause/", {"Cookie": log_in(server)}
    with httpx.Client(base_url=server.url, headers=cookies, timeout=60.0) as browser:
        page = browser.get(path)
        token = page.text.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
        return browser.post(path, data={"csrfmiddlewaretoken": token}).status_code
