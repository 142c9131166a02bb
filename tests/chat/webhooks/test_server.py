"""Servers that tell receivers of what happens in them, also over a kill."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.chat.webhooks.conftest import ALLOWED
from tests.chat.webhooks.receiver import PATIENCE_SECONDS, Answer, Received, Receiver
from tests.conftest import StartServer
from tests.runs.api.daemon import SLEEPING_GOAL, Daemon
from tests.server import RunningServer

ROUTE = "/api/settings/webhooks"
ASKING = '!tool ask_human {"prompt": "May I?"}\n!turn\n!say Thank you.'
#: Ends a run without anybody being told: what a crash right after the commit leaves behind.
END_UNTOLD = """
from runs import signals
signals.run_finished.receivers = []
from runs.services.lifecycle import cancel_run
cancel_run(run_id="{run_id}", actor="test")
"""
CHANGE_INSTANCE = """
from instances.objects import Report, Status
from instances.services import recording
recording.remember("http", Report("i1", Status.RUNNING, 1, 1, name="one"), actor="ada")
"""


@dataclass(frozen=True)
class Told:
    """An endpoint of a server, and its receiver."""

    server: RunningServer
    receiver: Receiver
    endpoint_id: str
    secret: str

    @classmethod
    def make(cls, server: RunningServer, receiver: Receiver, *events: str) -> "Told":
        body = {"url": receiver.url, "events": events or ("run.*", "approval.*", "instance.*")}
        answer = server.client.post(ROUTE, json=body)
        assert answer.status_code == 201, answer.text
        return cls(server, receiver, answer.json()["id"], answer.json()["secret"])

    def of(self, run_id: str, count: int) -> list[Received]:
        """What came of one run, once there is so much of it."""
        return self.receiver.wait_for(count, lambda sent: sent.data.get("run_id") == run_id)

    def deliveries(self) -> list[dict[str, Any]]:
        answer = self.server.client.get(f"{ROUTE}/{self.endpoint_id}/deliveries")
        rows: list[dict[str, Any]] = answer.json()
        return rows

    def until(self, state: str) -> dict[str, Any]:
        """The newest delivery, once it is in that state."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            rows = self.deliveries()
            if rows and rows[0]["state"] == state:
                return rows[0]
            assert time.monotonic() < deadline, rows
            time.sleep(0.05)

    def remove(self) -> None:
        self.server.client.delete(f"{ROUTE}/{self.endpoint_id}")


@pytest.fixture
def told(telling_server: RunningServer, receiver: Receiver) -> Iterator[Told]:
    told = Told.make(telling_server, receiver)
    yield told
    told.remove()


@pytest.fixture
def daemon(telling_server: RunningServer) -> Daemon:
    return Daemon(telling_server.client)


def test_each_end_of_a_run_is_told_once(told: Told, daemon: Daemon):
    completed, failed, cancelled = (
        daemon.run_to_end("!say a panther"),
        daemon.run_to_end("!fail auth"),
        daemon.start(SLEEPING_GOAL),
    )
    daemon.cancel(cancelled)

    [of_completed], [of_failed], [of_cancelled] = (
        told.of(run_id, 1) for run_id in (completed, failed, cancelled)
    )
    assert (of_completed.type, of_completed.data["status"]) == ("run.completed", "done")
    assert (of_failed.type, of_failed.data["error_type"]) == ("run.failed", "provider")
    assert (of_cancelled.type, of_cancelled.data["status"]) == ("run.cancelled", "cancelled")
    detail = daemon.detail(completed)
    assert of_completed.data["merkle_root"] == detail["merkle_root"]
    assert told.server.client.get(of_completed.data["links"]["run"]).status_code == 200
    assert told.server.client.get(of_completed.data["links"]["inspect"]).status_code == 200
    assert all(sent.is_signed_with(told.secret) for sent in told.receiver.received)
    assert b"panther" not in b"".join(sent.body for sent in told.receiver.received)
    told.until("delivered")
    assert len(told.receiver.received) == len(told.deliveries()) == 3


def test_a_question_and_its_answer_are_told_once(told: Told, daemon: Daemon):
    run_id = daemon.start(ASKING)
    [asked] = told.of(run_id, 1)

    answer = told.server.client.post(asked.data["links"]["respond"], json={"response": {"a": 1}})

    assert answer.status_code == 200, answer.text
    types = {sent.type: sent for sent in told.of(run_id, 3)}
    assert list(types) == ["approval.requested", "approval.answered", "run.completed"]
    answered = types["approval.answered"]
    assert answered.data["request_seq"] == asked.data["request_seq"]
    assert b"May I" not in b"".join(sent.body for sent in told.receiver.received)


def test_what_another_process_did_to_an_instance_is_told(told: Told):
    done = told.server.manage("shell", "--no-imports", "-c", CHANGE_INSTANCE)
    assert done.returncode == 0, done.stderr

    [sent] = told.receiver.wait_for(1)

    assert sent.type == "instance.status_changed"
    assert (sent.data["instance_id"], sent.data["status"]) == ("i1", "running")


def test_a_failure_is_retried_and_a_message_sent_again_by_hand(told: Told, daemon: Daemon):
    told.receiver.answers = [Answer(500)]
    daemon.run_to_end("hello")
    retried = told.receiver.wait_for(2)
    delivery = told.until("delivered")

    path = f"{ROUTE}/{told.endpoint_id}/deliveries/{delivery['id']}/redeliver"
    assert told.server.client.post(path).status_code == 202

    by_hand = told.receiver.wait_for(3)
    assert {sent.id for sent in by_hand} == {retried[0].id} == {delivery["message_id"]}
    assert {sent.body for sent in by_hand} == {retried[0].body}
    metrics = told.server.client.get("/metrics").text
    assert "starport_webhook_deliveries_waiting" in metrics
    assert 'starport_webhook_deliveries_total{outcome="delivered"}' in metrics


def test_a_receiver_that_hangs_holds_up_nobody_else(
    telling_server: RunningServer, told: Told, daemon: Daemon
):
    hanging = Receiver()
    hanging.hold.set()
    held = Told.make(telling_server, hanging)
    try:
        runs = [daemon.run_to_end("hello") for _ in range(12)]
        told.receiver.wait_for(12)
        assert {sent.data["run_id"] for sent in told.receiver.received} == set(runs)
        assert len(hanging.received) < 12
        hanging.let_go()
        hanging.wait_for(12)
    finally:
        held.remove()
        hanging.close()


def test_an_attempt_that_a_kill_cut_off_is_made_again_under_its_id(
    start_server: StartServer, receiver: Receiver
):
    server = start_server(env=ALLOWED, may_fail=True)
    told = Told.make(server, receiver)
    receiver.hold.set()
    run_id = Daemon(server.client).run_to_end("hello")
    [cut_off] = receiver.wait_for(1)

    server.kill()
    receiver.let_go()
    server.start_again()

    _, again = told.of(run_id, 2)
    assert (again.id, again.body) == (cut_off.id, cut_off.body)
    delivery = told.until("delivered")
    assert len(delivery["attempts"]) == 1
    assert len(told.deliveries()) == 1


def test_an_end_that_nobody_was_told_of_before_the_crash_is_told_after_it(
    start_server: StartServer, receiver: Receiver
):
    server = start_server(env=ALLOWED, may_fail=True)
    told = Told.make(server, receiver)
    run_id = Daemon(server.client).start(SLEEPING_GOAL)
    server.kill()
    done = server.manage("shell", "--no-imports", "-c", END_UNTOLD.format(run_id=run_id))
    assert done.returncode == 0, done.stderr
    assert receiver.received == []

    server.start_again()

    [sent] = told.of(run_id, 1)
    assert sent.type == "run.cancelled"
    assert sent.is_signed_with(told.secret)
