"""GET /api/v1/runs/{id}/events."""

from collections.abc import Callable

import pytest

from tests.runs.api.daemon import TOOL_GOAL, Daemon
from tests.server import RunningServer


def test_an_event_has_what_its_stream_frame_has(daemon: Daemon):
    run_id = daemon.run_to_end(TOOL_GOAL)

    streamed = [frame.data for frame in daemon.follow(run_id) if frame.name == "event"]

    assert daemon.events(run_id) == streamed
    assert set(streamed[0]) == {
        "run_id", "seq", "kind", "timestamp", "prev_hash", "hash", "payload",
    }  # fmt: skip


def test_hashes_link_each_event_to_the_one_before(daemon: Daemon):
    events = daemon.events(daemon.run_to_end(TOOL_GOAL))

    assert [event["prev_hash"] for event in events] == [
        None,
        *(event["hash"] for event in events[:-1]),
    ]
    assert all(len(bytes.fromhex(event["hash"])) == 32 for event in events)


def test_arguments_and_results_are_json_and_not_encoded(daemon: Daemon):
    events = {event["kind"]: event["payload"] for event in daemon.events(
        daemon.run_to_end(TOOL_GOAL)
    )}  # fmt: skip

    assert events["ToolCallScheduled"]["args"] == {"expression": "6*7"}
    assert events["ToolCallCompleted"]["result"]["result"] in (42, 42.0, "42")


def test_an_offset_walk_meets_every_seq_once(daemon: Daemon):
    run_id = daemon.run_to_end(TOOL_GOAL)
    total = daemon.detail(run_id)["last_seq"]

    walked = [
        event["seq"]
        for offset in range(0, total + 2, 2)
        for event in daemon.events(run_id, limit=2, offset=offset)
    ]

    assert walked == list(range(1, total + 1))


def test_the_page_repeats_what_was_asked_and_counts_the_log(daemon: Daemon):
    run_id = daemon.run_to_end("hello")

    page = daemon.get(f"/api/v1/runs/{run_id}/events")

    assert (page["run_id"], page["limit"], page["offset"]) == (run_id, 200, 0)
    assert page["total"] == len(page["events"]) == 4


def test_a_thousand_is_the_greatest_limit(daemon: Daemon):
    path = f"/api/v1/runs/{daemon.run_to_end('hello')}/events"

    accepted = daemon.client.get(path, params={"limit": 1000})
    refused = daemon.client.get(path, params={"limit": 1001})

    assert (accepted.status_code, refused.status_code) == (200, 400)
    assert list(refused.json()) == ["error"]


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "x"}, {"offset": "-1"}], ids=str)
def test_nonsense_is_refused(daemon: Daemon, query: dict[str, str]):
    response = daemon.client.get(f"/api/v1/runs/{daemon.start('hello')}/events", params=query)

    assert response.status_code == 400


@pytest.mark.parametrize("offset", ["4", "5", "99999999999999999999"])
def test_an_offset_past_the_end_is_an_empty_page(daemon: Daemon, offset: str):
    run_id = daemon.run_to_end("hello")

    page = daemon.get(f"/api/v1/runs/{run_id}/events", offset=offset)

    assert page["events"] == []
    assert page["total"] == 4


def test_a_queued_run_has_an_empty_page(start_clogged: Callable[..., Daemon]):
    daemon = start_clogged()
    run_id = daemon.start("hello")

    page = daemon.get(f"/api/v1/runs/{run_id}/events")

    assert page == {"run_id": run_id, "events": [], "total": 0, "limit": 200, "offset": 0}


def test_an_unknown_run_is_not_found(daemon: Daemon):
    response = daemon.client.get("/api/v1/runs/01ARZ3NDEKTSV4RRFFQ69G5FAV/events")

    assert response.status_code == 404


def test_a_payload_too_large_for_its_row_is_shown_whole(server: RunningServer, daemon: Daemon):
    text = "x" * 100_000

    run_id = daemon.run_to_end(f"!say {text}")

    answer = next(e for e in daemon.events(run_id) if e["kind"] == "AssistantMessageCompleted")
    assert answer["payload"]["text"] == text
    assert daemon.detail(run_id)["validation"] == {"status": "valid"}
