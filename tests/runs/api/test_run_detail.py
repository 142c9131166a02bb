"""GET /api/v1/runs/{id}."""

from collections.abc import Callable
from datetime import datetime

import pytest

from tests.conftest import StartServer
from tests.runs.api.daemon import (
    SLEEPING_GOAL,
    TOOL_GOAL,
    Daemon,
    change_stored,
    read_stored,
)
from tests.server import RunningServer


def test_before_its_first_event_a_run_only_has_a_place_in_the_queue(
    start_clogged: Callable[..., Daemon],
):
    daemon = start_clogged()

    run_id = daemon.start("hello")

    assert daemon.detail(run_id) == {"run_id": run_id, "status": None, "daemon_status": "queued"}


def test_status_and_totals_agree_with_the_events(daemon: Daemon):
    run_id = daemon.run_to_end(TOOL_GOAL)
    events = daemon.events(run_id)
    answers = [e["payload"] for e in events if e["kind"] == "AssistantMessageCompleted"]

    detail = daemon.detail(run_id)

    assert detail["status"] == detail["daemon_status"] == "completed"
    assert detail["last_seq"] == len(events)
    assert detail["started_at"] == events[0]["timestamp"]
    assert detail["turn_count"] == len(answers) == 2
    assert detail["tool_call_count"] == 1
    assert detail["input_tokens"] == sum(answer["input_tokens"] for answer in answers)
    assert detail["output_tokens"] == sum(answer["output_tokens"] for answer in answers)
    assert detail["cost_usd"] == pytest.approx(sum(answer["cost_usd"] for answer in answers))
    first, last = (datetime.fromisoformat(events[i]["timestamp"]) for i in (0, -1))
    assert abs(detail["duration_ms"] - (last - first).total_seconds() * 1000) <= 1


def test_it_tells_what_was_asked_and_answered(daemon: Daemon):
    run_id = daemon.run_to_end(TOOL_GOAL)

    detail = daemon.detail(run_id)

    assert detail["goal"] == TOOL_GOAL
    assert detail["final_text"] == "It is 42."
    assert (detail["provider_id"], detail["model_id"]) == ("scripted", "scripted")
    assert detail["terminal_kind"] == "RunCompleted"
    assert detail["error"] is detail["error_type"] is detail["cancel_reason"] is None
    assert len(bytes.fromhex(detail["merkle_root"])) == 32


def test_a_failed_run_says_why(daemon: Daemon):
    run_id = daemon.run_to_end("!fail auth")

    detail = daemon.detail(run_id)

    assert detail["status"] == detail["daemon_status"] == "failed"
    assert detail["error_type"] == "provider"
    assert detail["error"]
    assert detail["terminal_kind"] == "RunFailed"


def test_a_run_in_progress_says_so(daemon: Daemon):
    run_id = daemon.start_and_wait_for("TurnStarted", SLEEPING_GOAL)

    detail = daemon.detail(run_id)

    daemon.cancel(run_id)
    assert detail["status"] == "in progress"
    assert detail["daemon_status"] == "running"
    assert detail["validation"] == {"status": "in_progress"}
    assert detail["terminal_kind"] is detail["merkle_root"] is None


@pytest.mark.parametrize("run_id", ["01ARZ3NDEKTSV4RRFFQ69G5FAV", "cf-nope", "x" * 65, "a.b", "ü"])
def test_an_unknown_run_is_not_found(daemon: Daemon, run_id: str):
    response = daemon.client.get(f"/api/v1/runs/{run_id}")

    assert response.status_code == 404
    assert list(response.json()) == ["error"]


@pytest.mark.parametrize("suffix", ["%2Fevents", "%252Fevents", "%00", "/", "/nope", "/events/1"])
def test_a_path_beside_the_routes_is_not_found(daemon: Daemon, suffix: str):
    run_id = daemon.run_to_end("hello")

    response = daemon.client.get(f"/api/v1/runs/{run_id}{suffix}")

    # `%2F` is a slash once decoded, and decoded it is once only.
    assert response.status_code == (200 if suffix == "%2Fevents" else 404)


def test_a_sound_log_is_valid(daemon: Daemon):
    assert daemon.detail(daemon.run_to_end(TOOL_GOAL))["validation"] == {"status": "valid"}


@pytest.mark.parametrize("seq", [1, 3, 7])
def test_one_flipped_byte_makes_the_log_invalid_where_it_is(
    server: RunningServer, daemon: Daemon, seq: int
):
    run_id = daemon.run_to_end(TOOL_GOAL)
    sound = daemon.detail(run_id)["validation"]
    read = "SELECT payload FROM runs_event WHERE run_id = %s AND seq = %s"
    write = "UPDATE runs_event SET payload = %s WHERE run_id = %s AND seq = %s"

    payload = bytearray(read_stored(server, read, run_id, seq))
    payload[len(payload) // 2] ^= 1
    change_stored(server, write, bytes(payload), run_id, seq)

    assert sound == {"status": "valid"}
    assert daemon.detail(run_id)["validation"] == {
        "status": "invalid",
        "reason": "hash_mismatch",
        "seq": seq,
    }


def test_a_log_cut_short_is_invalid(server: RunningServer, daemon: Daemon):
    run_id = daemon.run_to_end(TOOL_GOAL)

    change_stored(server, "DELETE FROM runs_event WHERE run_id = %s AND seq > 4", run_id)

    assert daemon.detail(run_id)["validation"]["status"] == "invalid"


def test_a_long_log_is_checked_when_asked(server: RunningServer, daemon: Daemon):
    run_id = daemon.run_to_end("hello")
    change_stored(server, "UPDATE runs_run SET head_seq = 10001 WHERE id = %s", run_id)

    assert daemon.detail(run_id)["validation"] == {"status": "unchecked"}
    # The row was made to lie about the length, which the check finds.
    assert daemon.detail(run_id, validate=1)["validation"]["reason"] == "truncated"


@pytest.mark.parametrize(
    ("retention", "daemon_status"), [("0s", None), ("-1", "completed"), ("1h", "completed")]
)
def test_the_daemon_forgets_a_job_after_its_retention_and_the_log_does_not(
    start_server: StartServer, retention: str, daemon_status: str | None
):
    server = start_server(flags=[f"--job-retention={retention}"])
    daemon = Daemon(server.client)

    run_id = daemon.run_to_end("hello")

    for item in (daemon.detail(run_id), daemon.page()["runs"][0]):
        assert item["status"] == "completed"
        assert item.get("daemon_status") == daemon_status


def test_a_secret_in_the_goal_is_neither_shown_nor_found(daemon: Daemon):
    secret = "sp_live_" + "ab12" * 10

    run_id = daemon.run_to_end(f"my key is {secret}")

    assert daemon.detail(run_id)["goal"] == "my key is [redacted]"
    assert daemon.page(q=secret)["total"] == 0
