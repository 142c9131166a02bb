"""A web process and two Celery workers over PostgreSQL and Redis."""

import os
import signal
from collections.abc import Iterator

import pytest

from tests.conftest import StartServer
from tests.e2e.driving import WITH_FAULT_TOOLS, Driver, until
from tests.e2e.snapshots import changed, query, read_events
from tests.e2e.streams import frames
from tests.server import Process

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(
        not (os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL")),
        reason="needs DATABASE_URL and REDIS_URL",
    ),
]


@pytest.fixture
def driver(start_server: StartServer) -> Iterator[Driver]:
    environment = WITH_FAULT_TOOLS | {"STARPORT_EXECUTOR": "celery", "STARPORT_LEASE_SECONDS": "2"}
    yield Driver(start_server(env=environment, workers=2))


def owner_of(driver: Driver, run_id: str) -> str:
    """Who executes the run now: host and process id."""
    server = driver.server
    statement = f"SELECT lease_owner FROM runs_run WHERE id = '{run_id}'"  # noqa: S608
    return str(query(server.data_dir, server.environment, statement)[0][0])


def worker_of(driver: Driver, run_id: str) -> Process:
    pid = int(owner_of(driver, run_id).rpartition(":")[2])
    (worker,) = [worker for worker in driver.server.workers if worker.pid == pid]
    return worker


def test_a_stream_in_the_web_process_shows_a_run_of_a_worker_as_it_happens(driver: Driver):
    run_id = driver.start("!sleep 2\n!say one two three\n!sleep 1\n!say four")

    texts, kinds = [], []
    with driver.client.stream("GET", f"/api/v1/runs/{run_id}/stream?deltas=1") as reply:
        for name, data in frames(reply.iter_lines()):
            if name == "delta":
                texts.append(data["text"])
            elif name == "event":
                kinds.append(data["kind"])

    assert "".join(texts) == "one two three\nfour"
    assert kinds == ["RunStarted", "TurnStarted", "AssistantMessageCompleted", "RunCompleted"]


def test_a_cancel_in_the_web_process_reaches_the_worker(driver: Driver):
    run_id = driver.start('!tool upsert {"seconds": 60}')
    driver.until_traced("upsert")
    worker = worker_of(driver, run_id)

    assert driver.cancel(run_id).status_code == 202

    assert driver.kinds(run_id)[-2:] == ["ToolCallFailed", "RunCancelled"]
    # The worker is free again: both have room for as many runs as they take at a time.
    more = [driver.start('!tool upsert {"seconds": 1}') for _ in range(8)]
    assert {driver.until_ended(other)["status"] for other in more} == {"completed"}
    assert worker.popen.poll() is None


def test_another_worker_goes_on_when_one_is_killed(driver: Driver):
    once = driver.start('!tool transfer {"seconds": 6}\n!turn\n!say I cannot tell')
    driver.until_traced("transfer")
    victim = worker_of(driver, once)
    # More runs, until the same worker has one with an idempotent call as well.
    others: list[str] = []
    while not any(owner_of(driver, run_id).endswith(f":{victim.pid}") for run_id in others):
        others.append(driver.start('!tool upsert {"seconds": 6}\n!turn\n!say done'))
        driver.until_traced("upsert", len(others))
    before = read_events(driver.server.data_dir, driver.server.environment)

    victim.kill()

    assert driver.until_ended(once)["final_text"] == "I cannot tell"
    assert {driver.until_ended(run_id)["final_text"] for run_id in others} == {"done"}
    assert driver.traces("transfer").total() == 1
    assert driver.traces("upsert").total() > len(others)  # made again under its key
    assert changed(before, read_events(driver.server.data_dir, driver.server.environment)) == []
    assert driver.server.manage("runs", "validate").returncode == 0


def test_a_run_that_outlasts_its_lease_keeps_its_worker(driver: Driver):
    run_id = driver.start('!tool transfer {"seconds": 7}\n!turn\n!say done')

    assert driver.until_ended(run_id)["final_text"] == "done"
    assert "RunResumed" not in driver.kinds(run_id)


def test_waiting_runs_hold_no_worker_and_go_on_when_answered(driver: Driver):
    ask = '!tool ask_human {"prompt": "Ship it?"}\n!turn\n!say thank you'
    waiting = [driver.start(ask) for _ in range(10)]  # more than both workers take at a time
    for run_id in waiting:
        driver.until_event(run_id, "InputRequested")

    for run_id in waiting:
        path = f"/v1/runs/{run_id}/respond"
        answer = driver.server.client.post(path, json={"response": {"answer": "yes"}})
        assert answer.status_code == 200, answer.text

    assert {driver.until_ended(run_id)["final_text"] for run_id in waiting} == {"thank you"}


def test_workers_that_are_told_to_stop_give_their_runs_back(driver: Driver):
    run_id = driver.start('!tool upsert {"seconds": 4}\n!turn\n!say done')
    driver.until_traced("upsert")
    first = worker_of(driver, run_id)

    first.send_signal(signal.SIGTERM)

    assert first.wait() == 0
    assert driver.until_ended(run_id)["final_text"] == "done"
    until(lambda: driver.detail(run_id)["validation"] == {"status": "valid"})
