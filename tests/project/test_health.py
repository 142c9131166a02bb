"""`/health`: every part is asked, and nobody needs a credential for it."""

import os
import shutil
import time

import pytest

from tests.conftest import StartServer
from tests.runs.api.daemon import change_stored
from tests.server import RunningServer

PATIENCE_SECONDS = 60.0


def test_every_part_is_in_order_and_anybody_may_ask(server: RunningServer):
    answer = server.anonymous.get("/health")

    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "ok"
    assert set(answer.json()["components"]) == {
        *("store", "artifact_store", "registry", "scheduler", "audit")
    }


def test_no_limit_counts_it(start_server: StartServer):
    server = start_server(env={"RATELIMIT_ANONYMOUS": "1"}, workers=0)

    answers = [server.anonymous.get("/health") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert "X-RateLimit-Limit" not in answers[0].headers


def test_a_store_that_cannot_be_written_is_told_without_its_place(start_server: StartServer):
    server = start_server(workers=0)
    shutil.rmtree(server.data_dir / "artifacts", ignore_errors=True)
    (server.data_dir / "artifacts").touch()

    answer = server.anonymous.get("/health")

    assert answer.status_code == 503
    assert answer.json()["status"] == "unhealthy"
    assert answer.json()["components"]["artifact_store"] == {
        "status": "error",
        "detail": "probe failed",
    }
    assert answer.json()["components"]["store"]["status"] == "ok"
    assert str(server.data_dir) not in answer.text


def test_an_audit_trail_whose_head_is_gone_is_an_error(start_server: StartServer):
    server = start_server(env={"STARPORT_AUDIT_FLUSH_MS": "0"}, workers=0)
    server.client.get("/v1/graphs")
    change_stored(server, "UPDATE accounts_audithead SET seq = seq + 1")

    answer = server.anonymous.get("/health")

    assert answer.status_code == 503
    assert answer.json()["components"]["audit"]["status"] == "error"


@pytest.mark.skipif(
    os.environ.get("STARPORT_EXECUTOR") != "celery", reason="embedded, the server is the worker"
)
def test_workers_that_fall_silent_are_noticed(start_server: StartServer):
    server = start_server(workers=0)
    assert _scheduler(server)["status"] == "unconfigured"
    with_workers = start_server(workers=1)
    _wait_for(with_workers, "ok")

    with_workers.workers[0].kill()

    _wait_for(with_workers, "error")


def _wait_for(server: RunningServer, status: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := _scheduler(server))["status"] != status:
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


def _scheduler(server: RunningServer) -> dict[str, str]:
    found: dict[str, str] = server.anonymous.get("/health").json()["components"]["scheduler"]
    return found
