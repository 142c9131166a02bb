"""Cron jobs in a server of their own: in time, over a kill, and at the start."""

import time
from typing import Any

import httpx

from tests.conftest import StartServer
from tests.runs.api.daemon import read_stored
from tests.runs.graph_api.client import PATIENCE_SECONDS
from tests.server import RunningServer


def make(server: RunningServer, prompt: str, **fields: Any) -> str:
    body = {"name": prompt, "prompt": prompt, **fields}
    answer = server.client.post("/api/cron/jobs", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def runs_of(client: httpx.Client, job_id: str) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = client.get(f"/api/cron/jobs/{job_id}/runs").json()
    return runs


def until(client: httpx.Client, job_id: str, *statuses: str) -> dict[str, Any]:
    """The oldest record of a job, once it is in one of these."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        runs = runs_of(client, job_id)
        if runs and runs[-1]["status"] in statuses:
            return runs[-1]
        assert time.monotonic() < deadline, runs
        time.sleep(0.05)


def test_a_job_outlives_the_kill_of_its_server_with_one_run_and_one_record(
    start_server: StartServer,
):
    server = start_server(env={"STARPORT_LEASE_SECONDS": "2"})
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
    job_id = make(
        server,
        "!sleep 3\n!say through",
        name="once",
        schedule={"kind": "one_shot", "at": at},
    )
    boot = '{"file": "BOOT.md", "content": "!say Good morning."}'
    written = server.client.post("/api/chat", json={"text": f"!tool memory_write {boot}"})
    assert written.status_code == 200, written.text
    begun = until(server.client, job_id, "running")

    server.kill()
    server.start_again()

    ended = until(server.client, job_id, "success", "failed")
    assert (ended["status"], ended["result_summary"]) == ("success", "through")
    assert (ended["id"], ended["run_id"]) == (begun["id"], begun["run_id"])
    assert len(runs_of(server.client, job_id)) == 1
    assert read_stored(server, "SELECT count(*) FROM runs_run WHERE trigger_source = 'cron'") == 1
    [greeted] = [
        session
        for session in server.client.get("/api/sessions").json()
        if session["triggered_by"] == "BOOT.md"
    ]
    assert (greeted["user_id"], greeted["title"]) == ("boot", "!say Good morning.")
