"""A client that lost its connection goes on where it was."""

import pytest

from tests.runs.api.daemon import SLEEPING_GOAL, TOOL_GOAL, Daemon, seqs


@pytest.mark.parametrize("last_seen", [1, 2, 5, 8])
def test_after_event_k_come_exactly_the_ones_after_it(daemon: Daemon, last_seen: int):
    run_id = daemon.run_to_end(TOOL_GOAL)

    frames = daemon.follow(run_id, headers={"Last-Event-ID": str(last_seen)})

    total = daemon.detail(run_id)["last_seq"]
    assert seqs(frames) == list(range(last_seen + 1, total + 1))
    assert frames[-1].name == "done"


def test_since_does_the_same(daemon: Daemon):
    run_id = daemon.run_to_end(TOOL_GOAL)

    assert seqs(daemon.follow(run_id, since=3))[0] == 4


def test_the_header_wins(daemon: Daemon):
    run_id = daemon.run_to_end(TOOL_GOAL)

    frames = daemon.follow(run_id, headers={"Last-Event-ID": "5"}, since=1)

    assert seqs(frames)[0] == 6


@pytest.mark.parametrize("nonsense", ["x", "-4", "1.5", "0x2", "2 3"])
def test_a_malformed_cursor_counts_as_none(daemon: Daemon, nonsense: str):
    run_id = daemon.run_to_end("hello")

    assert seqs(daemon.follow(run_id, since=nonsense)) == [1, 2, 3, 4]
    assert seqs(daemon.follow(run_id, headers={"Last-Event-ID": nonsense}, since=2)) == [1, 2, 3, 4]


@pytest.mark.parametrize("cursor", ["4", "5", "999999999999999999999"])
def test_with_nothing_left_done_comes_at_once(daemon: Daemon, cursor: str):
    run_id = daemon.run_to_end("hello")

    frames = daemon.follow(run_id, headers={"Last-Event-ID": cursor})

    assert [frame.name for frame in frames] == ["", "retry", "status", "done"]
    assert frames[-1].data == {"run_id": run_id, "status": "completed", "last_seq": 4}


def test_a_client_that_reconnects_while_the_run_goes_on_misses_nothing(daemon: Daemon):
    run_id = daemon.start(f"!sleep 0.3\n{TOOL_GOAL}")
    with daemon.stream(run_id) as frames:
        first = next(frame for frame in frames if frame.name == "event")

    rest = daemon.follow(run_id, headers={"Last-Event-ID": str(first.id)})

    total = daemon.detail(run_id)["last_seq"]
    assert [first.id, *seqs(rest)] == list(range(1, total + 1))


def test_a_running_run_with_nothing_new_waits_for_its_end(daemon: Daemon):
    run_id = daemon.start_and_wait_for("TurnStarted", SLEEPING_GOAL)

    with daemon.stream(run_id, since=2) as frames:
        opening = [next(frames) for _ in range(3)]
        daemon.cancel(run_id)
        rest = list(frames)

    assert [frame.name for frame in opening] == ["", "retry", "status"]
    assert seqs(rest) == [3]
    assert rest[-1].name == "done"
