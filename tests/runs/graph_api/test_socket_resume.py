"""A client that lost its connection goes on right after the frame it saw last."""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from tests.runs.api.daemon import TOOL_GOAL
from tests.runs.graph_api.client import GraphClient
from tests.runs.graph_api.sockets import (
    closing,
    cursor,
    follow,
    read_in_pieces,
    read_some,
    watch,
)


@pytest.mark.parametrize("kind", ["agent", "graph"])
def test_reconnecting_after_every_frame_gives_each_once_and_in_order(
    graphs: GraphClient, stories: dict[str, str], kind: str
):
    if kind == "agent":
        run_id = graphs.start(TOOL_GOAL)
        graphs.until(run_id, "done")
    else:
        run_id = stories["failed"]

    uninterrupted = follow(graphs.client, run_id)

    assert read_in_pieces(graphs.client, run_id, at_a_time=1) == uninterrupted
    assert len({cursor(frame) for frame in uninterrupted}) == len(uninterrupted)


def test_reconnecting_while_the_run_goes_on_misses_nothing(graphs: GraphClient):
    run_id = graphs.start(f"!sleep 0.3\n{TOOL_GOAL}\n!sleep 0.3\n!repeat 20 words")

    pieces = read_in_pieces(graphs.client, run_id, at_a_time=3)

    assert pieces == follow(graphs.client, run_id)


def test_after_the_last_frame_comes_the_end_at_once(graphs: GraphClient):
    run_id = graphs.start("!fail auth")
    graphs.until(run_id, "failed")
    *_, error, result = follow(graphs.client, run_id)

    with watch(graphs.client, run_id, headers={"Last-Event-Id": cursor(error)}) as socket:
        assert read_some(socket, 2) == [result]
    ended = closing(graphs.client, run_id, headers={"Last-Event-Id": cursor(result)})

    assert ended == (1000, "run failed")


def test_the_query_will_do_and_the_header_wins(graphs: GraphClient):
    run_id = graphs.start("hello")
    graphs.until(run_id, "done")
    first, second, third = follow(graphs.client, run_id)

    by_query = f"?last_event_id={quote(cursor(first))}"
    by_header = {"Last-Event-Id": cursor(second)}

    assert follow(graphs.client, run_id, query=by_query) == [second, third]
    assert follow(graphs.client, run_id, query=by_query, headers=by_header) == [third]
    assert len(follow(graphs.client, run_id, query="?last_event_id=")) == 3


def test_the_older_form_names_a_frame_of_a_step(graphs: GraphClient, stories: dict[str, str]):
    run_id = stories["done"]
    frames = follow(graphs.client, run_id)
    seen = next(at for at, frame in enumerate(frames) if frame["type"] == "branch_completed")
    step, ordinal = frames[seen]["step"], cursor(frames[seen]).rpartition(",")[2]

    rest = follow(graphs.client, run_id, query=f"?last_event_id={run_id}:{step}:{ordinal}")

    assert rest == frames[seen + 1 :]


@pytest.mark.parametrize(
    ("cursor_sent", "reason"),
    [
        ("zzz", "malformed last_event_id: 'zzz'"),
        ("a,1", "malformed last_event_id: 'a,1'"),
        ("a,-1,0", "malformed last_event_id: 'a,-1,0'"),
        ("graph:x:0:1", "last_event_id run_id mismatch: cursor='graph:x' path='{run_id}'"),
        ("deadbeef,0,0", "cursor does not match this run"),
        ("deadbeef,999999999999,0", "cursor does not match this run"),
        ("{run_id}:0:99", "cursor does not match this run"),
        ("x" * 300, "malformed last_event_id: '" + "x" * 97),
        ("ü" * 90, "malformed last_event_id: '" + "ü" * 48),
    ],
)
def test_a_bad_cursor_closes_the_socket(graphs: GraphClient, cursor_sent: str, reason: str):
    run_id = graphs.start("hello")
    graphs.until(run_id, "done")
    query = f"?last_event_id={quote(cursor_sent.format(run_id=run_id))}"

    ended = closing(graphs.client, run_id, query=query)

    assert ended == (1008, reason.format(run_id=run_id))


def test_all_watchers_are_told_the_same(graphs: GraphClient):
    run_id = graphs.start(f"!sleep 0.5\n{TOOL_GOAL}")

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: follow(graphs.client, run_id), range(8)))

    assert told == [follow(graphs.client, run_id)] * 8
