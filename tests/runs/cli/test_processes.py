"""The command in a process of its own: beside a server, in a pipe, on a terminal."""

import json
import signal
import sqlite3
from collections.abc import Callable

import pytest

from tests.runs.cli.conftest import WAITING_GOAL
from tests.server import RunningServer, clean_environment, run_manage, start_manage
from tests.terminal import left_after_one_line, on_terminal, wait_for_text


@pytest.fixture
def start(server) -> Callable[[str], str]:
    """Starts a run on the server; returns its id."""

    def post(goal: str) -> str:
        answer = server.client.post("/api/v1/runs", json={"goal": goal})
        return str(answer.json()["run_id"])

    return post


def test_follow_shows_what_a_server_executes_until_it_ends(server, start, tmp_path):
    run_id = start("!sleep 600")
    follower = start_manage(
        "runs", "follow", run_id, "--json", environment=server.environment, log_dir=tmp_path
    )
    wait_for_text(follower, "TurnStarted")

    cancelled = server.manage("runs", "cancel", run_id)

    assert (cancelled.returncode, cancelled.stdout) == (0, f"cancelled {run_id}\n")
    assert follower.wait() == 0
    events = [json.loads(line) for line in follower.stdout().splitlines()]
    assert [(event["seq"], event["kind"]) for event in events] == [
        (1, "RunStarted"),
        (2, "TurnStarted"),
        (3, "RunCancelled"),
    ]
    assert follower.stderr() == ""


def test_follow_begins_after_the_given_event(server, start):
    run_id = start("hello")
    end_of(server, run_id)

    result = server.manage("runs", "follow", run_id, "--after", "2")

    assert result.returncode == 0
    assert result.stdout.startswith("    3  answer")
    assert result.stdout.endswith("completed\n")
    assert server.manage("runs", "follow", run_id, "--after", "4").stdout == ""


def test_control_c_stops_following_quietly(server, start, tmp_path):
    run_id = start(WAITING_GOAL)
    follower = start_manage(
        "runs", "follow", run_id, environment=server.environment, log_dir=tmp_path
    )
    wait_for_text(follower, "waits for an answer")

    follower.send_signal(signal.SIGINT)

    assert (follower.wait(), follower.stderr()) == (130, "")
    assert server.manage("runs", "cancel", run_id).returncode == 0


def test_a_reader_that_leaves_early_is_no_error(server, start):
    run_id = start("!repeat 60000 word")
    end_of(server, run_id)

    left = left_after_one_line(server.environment, "runs", "export", run_id)

    assert left == (141, b"")


def test_a_terminal_gets_a_table_and_colours(server, start):
    run_id = start("hello")
    end_of(server, run_id)

    shown = on_terminal(server.environment, "runs", "list")
    plain = on_terminal(server.environment, "runs", "list", NO_COLOR="1")

    assert "started (UTC)" in shown
    assert run_id in shown
    assert "\x1b[32mcompleted" in shown
    assert "started (UTC)" in plain
    assert "\x1b[32m" not in plain


def test_a_pipe_gets_neither(server, start):
    run_id = start("hello")
    end_of(server, run_id)

    piped = server.manage("runs", "list").stdout

    assert any(line.startswith(f"{run_id}\tcompleted\t") for line in piped.splitlines())
    assert "\x1b" not in piped
    assert "started (UTC)" not in piped


def test_the_data_folder_can_be_named(server, start, tmp_path):
    run_id = start("hello")
    end_of(server, run_id)
    if server.environment.get("DATABASE_URL"):
        pytest.skip("the data folder of PostgreSQL holds no runs")

    result = run_manage(
        *("runs", "validate", run_id, "--data", str(server.data_dir)),
        environment=clean_environment(tmp_path),
    )

    assert (result.returncode, result.stdout) == (0, f"{run_id}\tOK\n")


def test_without_a_database_every_command_says_so_in_one_line(tmp_path):
    result = run_manage("runs", "list", environment=clean_environment(tmp_path))

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"runs: there is no database in {tmp_path}; `serve` creates one\n"
    assert not (tmp_path / "starport.sqlite3").exists()


def test_a_database_without_tables_is_named_in_one_line(tmp_path):
    sqlite3.connect(tmp_path / "starport.sqlite3").execute("CREATE TABLE t (i)").connection.close()

    result = run_manage("runs", "list", environment=clean_environment(tmp_path))

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("runs: the database lacks ")
    assert result.stderr.count("\n") == 1


def test_a_file_that_is_no_database_is_named_in_one_line(tmp_path):
    (tmp_path / "starport.sqlite3").write_bytes(b"not a database " * 100)

    listed = run_manage("runs", "list", environment=clean_environment(tmp_path))
    examined = run_manage("doctor", environment=clean_environment(tmp_path))

    assert listed.returncode == 1
    assert listed.stderr == "runs: the database cannot be used: file is not a database\n"
    assert examined.returncode == 1
    assert "✗ database" in examined.stdout
    assert "file is not a database" in examined.stdout
    assert examined.stderr == ""


def end_of(server: RunningServer, run_id: str) -> None:
    """Returns when the run has ended."""
    with server.client.stream("GET", f"/api/v1/runs/{run_id}/stream") as stream:
        for line in stream.iter_lines():
            if line == "event: done":
                return
