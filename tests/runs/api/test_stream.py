"""GET /api/v1/runs/{id}/stream: history, then life, in order and without gaps."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import StartServer
from tests.runs.api.daemon import (
    IS_CELERY,
    SLEEPING_GOAL,
    TOOL_GOAL,
    Daemon,
    change_stored,
    named,
    seqs,
)
from tests.server import RunningServer


def test_the_headers_keep_proxies_from_holding_frames_back(daemon: Daemon):
    run_id = daemon.run_to_end("hello")

    response = daemon.client.get(f"/api/v1/runs/{run_id}/stream")

    assert response.headers["Content-Type"] == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["X-Accel-Buffering"] == "no"


def test_it_opens_with_ok_the_retry_time_and_the_status(daemon: Daemon):
    run_id = daemon.run_to_end("hello")

    opening, retry, status, *_ = daemon.follow(run_id)

    assert (opening.name, opening.data) == ("", "ok")
    assert (retry.name, retry.data) == ("retry", 2000)
    assert status.name == "status"
    assert status.data == {"run_id": run_id, "daemon_status": "completed", "status": "completed"}


def test_a_finished_run_is_told_whole_and_closed(daemon: Daemon):
    run_id = daemon.run_to_end(TOOL_GOAL)

    frames = daemon.follow(run_id)

    total = daemon.detail(run_id)["last_seq"]
    assert seqs(frames) == list(range(1, total + 1))
    assert [frame.id for frame in frames if frame.name == "event"] == seqs(frames)
    assert len(named(frames, "status")) == 1
    assert frames[-1].name == "done"
    assert frames[-1].data == {"run_id": run_id, "status": "completed", "last_seq": total}


def test_a_stream_opened_while_queued_sees_everything(start_clogged: Callable[..., Daemon]):
    daemon = start_clogged()
    run_id = daemon.start("hello")

    with daemon.stream(run_id) as frames:
        opening = [next(frames) for _ in range(3)]
        daemon.cancel(run_id)
        rest = list(frames)

    queued = {"run_id": run_id, "daemon_status": "queued", "status": None}
    assert opening[2].data == queued
    assert seqs(rest) == [1, 2]
    assert named(rest, "status")[-1]["daemon_status"] == "cancelled"
    assert rest[-1].data == {"run_id": run_id, "status": "cancelled", "last_seq": 2}


@pytest.mark.skipif(IS_CELERY, reason="the runs of this server stay queued under Celery")
def test_the_status_follows_the_run_from_the_queue_to_its_end(
    start_clogged: Callable[..., Daemon],
):
    daemon = start_clogged()
    (blocking,) = daemon.listed_ids()
    run_id = daemon.start("hello")

    with daemon.stream(run_id) as frames:
        opening = [next(frames) for _ in range(3)]
        daemon.cancel(blocking)
        rest = list(frames)

    told = [
        (status["daemon_status"], status["status"]) for status in named([*opening, *rest], "status")
    ]
    assert told[0] == ("queued", None)
    assert told[-2:] == [("running", "in progress"), ("completed", "completed")]
    assert set(told[1:-2]) <= {("running", None)}
    assert seqs(rest) == [1, 2, 3, 4]


def test_a_fast_run_is_seen_without_gaps(daemon: Daemon):
    goal = "\n".join(
        line
        for number in range(20)
        for line in (f'!tool calculate {{"expression": "{number}+1"}}', "!turn")
    )

    for _ in range(5):
        run_id = daemon.start(goal)
        frames = daemon.follow(run_id)

        assert seqs(frames) == list(range(1, daemon.detail(run_id)["last_seq"] + 1))
        assert frames[-1].name == "done"


def test_many_watchers_each_see_everything(server: RunningServer, daemon: Daemon):
    run_id = daemon.start(f"!sleep 0.3\n{TOOL_GOAL}")

    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda _: daemon.follow(run_id), range(8)))

    total = daemon.detail(run_id)["last_seq"]
    assert [seqs(frames) for frames in seen] == [list(range(1, total + 1))] * 8


def test_a_watcher_that_leaves_does_not_disturb_the_other(daemon: Daemon):
    run_id = daemon.start(f"!sleep 0.5\n{TOOL_GOAL}")

    with daemon.stream(run_id) as staying:
        with daemon.stream(run_id) as leaving:
            next(frame for frame in leaving if frame.name == "event")
        frames = list(staying)

    assert seqs(frames) == list(range(1, daemon.detail(run_id)["last_seq"] + 1))


def test_the_server_forgets_clients_that_leave(daemon: Daemon):
    run_id = daemon.start(SLEEPING_GOAL)
    with daemon.stream(run_id) as first, daemon.stream(run_id) as second:
        next(first), next(second)
        watched = open_streams(daemon)

    daemon.cancel(run_id)
    while open_streams(daemon) > 0:
        continue  # the server learns of a closed connection when it does

    assert watched >= 2


def open_streams(daemon: Daemon) -> float:
    page = daemon.client.get("/metrics").text
    return next(
        float(line.split()[1]) for line in page.splitlines() if line.startswith("starlingd_sse_")
    )


def test_text_as_it_streams_comes_only_when_asked_for(daemon: Daemon):
    goal = "!sleep 0.5\n!say one two three"
    with_text, without = daemon.start(goal), daemon.start(goal)

    asked = daemon.follow(with_text, deltas=1)
    unasked = daemon.follow(without)

    deltas = [frame for frame in asked if frame.name == "delta"]
    assert "".join(frame.data["text"] for frame in deltas) == "one two three"
    assert all(set(frame.data) == {"run_id", "turn_id", "text"} for frame in deltas)
    assert all(frame.id is None for frame in deltas)
    assert {frame.name for frame in unasked} == {"", "retry", "status", "event", "done"}
    assert seqs(asked) == seqs(unasked) == [1, 2, 3, 4]


def test_a_run_that_is_removed_ends_the_stream_with_an_error(server: RunningServer, daemon: Daemon):
    run_id = daemon.start_and_wait_for("TurnStarted", SLEEPING_GOAL)

    with daemon.stream(run_id, since=2) as frames:
        next(frame for frame in frames if frame.name == "status")
        change_stored(server, "DELETE FROM runs_event WHERE run_id = %s", run_id)
        change_stored(server, "DELETE FROM runs_run WHERE id = %s", run_id)
        last = list(frames)[-1]

    assert last.name == "error"
    assert list(last.data) == ["error"]


def test_a_stream_with_nothing_to_tell_shows_that_it_lives(daemon: Daemon):
    run_id = daemon.start_and_wait_for("TurnStarted", SLEEPING_GOAL)

    with daemon.stream(run_id, since=2) as frames:
        comment = next(frame for frame in frames if frame.name == "" and frame.data != "ok")

    assert comment.data == "heartbeat"
    daemon.cancel(run_id)


def test_an_unknown_run_is_not_found_before_any_frame(daemon: Daemon):
    response = daemon.client.get("/api/v1/runs/01ARZ3NDEKTSV4RRFFQ69G5FAV/stream")

    assert response.status_code == 404
    assert response.headers["Content-Type"] == "application/json"
    assert list(response.json()) == ["error"]


def test_daphne_streams_the_same_frames(start_server: StartServer):
    daemon = Daemon(start_server(flags=["--server", "daphne"]).client)
    run_id = daemon.start(f"!sleep 0.3\n{TOOL_GOAL}")

    frames = daemon.follow(run_id)

    assert seqs(frames) == list(range(1, daemon.detail(run_id)["last_seq"] + 1))
    assert frames[-1].name == "done"


def test_a_stream_ends_when_its_key_is_revoked(
    server: RunningServer, daemon: Daemon, as_role: Callable[..., Daemon]
):
    viewer = as_role("viewer")
    run_id = daemon.start(SLEEPING_GOAL)

    with viewer.stream(run_id) as frames:
        next(frame for frame in frames if frame.name == "event")
        prefix = viewer.client.headers["X-API-Key"].removeprefix("sp_live_")[:8]
        assert server.manage("apikey", "revoke", prefix).returncode == 0
        rest = list(frames)

    assert [frame.data for frame in rest if frame.name == "error"] == [
        {"error": "the credential counts no more"}
    ]
    daemon.cancel(run_id)
