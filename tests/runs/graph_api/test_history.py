"""GET /v1/runs and GET /v1/runs/{id}."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.runs.graph_api.client import GraphClient

AsRole = Callable[[str], GraphClient]


def test_a_summary_tells_how_the_run_stands(graphs: GraphClient):
    run_id = graphs.start("hello")

    summary = graphs.until(run_id, "done")

    assert list(summary) == [
        "run_id", "status", "graph_id", "graph_hash", "trigger_source", "started_at",
        "last_step_at", "finished_at", "duration_ms", "parent_run_id", "error_class", "error_cause",
    ]  # fmt: skip
    assert summary["started_at"] <= summary["last_step_at"] == summary["finished_at"]
    assert summary["started_at"].endswith("Z")
    assert summary["duration_ms"] >= 0
    assert len(summary["graph_hash"]) == 64
    assert summary["error_class"] is summary["error_cause"] is None


def test_a_failed_run_says_why(graphs: GraphClient):
    summary = graphs.until(graphs.start("!fail auth"), "failed")

    assert summary["error_class"] == "provider"
    assert summary["error_cause"]


def test_an_unknown_run_is_not_found(graphs: GraphClient):
    answer = graphs.client.get("/v1/runs/01ARZ3NDEKTSV4RRFFQ69G5FAV")

    assert answer.status_code == 404
    assert answer.json() == {"detail": "run '01ARZ3NDEKTSV4RRFFQ69G5FAV' not found"}


def test_pages_are_newest_first_and_cover_every_run_once(graphs: GraphClient):
    started = [graphs.start(f"number {number}") for number in range(5)]

    page = graphs.page(limit=3)
    following = graphs.page(limit=3, offset=3)

    listed = [run["run_id"] for run in (*page["items"], *following["items"])]
    assert listed[:5] == started[::-1]
    assert len(set(listed)) == len(listed)
    assert (page["limit"], page["offset"], page["cursor"]) == (3, 0, None)
    assert page["total"] == following["total"] >= 5


def test_since_is_inclusive_and_until_is_not(graphs: GraphClient):
    older = graphs.until(graphs.start("older"), "done")
    newer = graphs.until(graphs.start("newer"), "done")

    since = graphs.page(since=newer["started_at"])
    until = graphs.page(until=newer["started_at"])
    between = graphs.page(since=older["started_at"], until=newer["started_at"])

    assert [run["run_id"] for run in since["items"]] == [newer["run_id"]]
    assert newer["run_id"] not in [run["run_id"] for run in until["items"]]
    assert [run["run_id"] for run in between["items"]] == [older["run_id"]]


def test_instants_are_compared_not_texts(graphs: GraphClient):
    graphs.start("hello")

    late = graphs.page(since="2020-01-01T23:59:59-12:00")
    early = graphs.page(until="2020-01-01")

    assert late["total"] >= 1
    assert early == {"items": [], "total": 0, "limit": 100, "offset": 0, "cursor": None}


def test_filters_are_joined(graphs: GraphClient):
    failed = graphs.until(graphs.start("!fail auth", trigger_source="cron"), "failed")
    graphs.until(graphs.start("hello", trigger_source="cron"), "done")

    page = graphs.page(status="failed", trigger_source="cron")

    assert failed["run_id"] in [run["run_id"] for run in page["items"]]
    assert {(run["status"], run["trigger_source"]) for run in page["items"]} == {("failed", "cron")}


@pytest.mark.parametrize("query", [{"status": "completed"}, {"trigger_source": "cli"}])
def test_a_value_nobody_knows_matches_nothing(graphs: GraphClient, query: dict[str, str]):
    graphs.start("hello")

    assert graphs.page(**query)["total"] == 0


@pytest.mark.parametrize(
    ("query", "item"),
    [
        (
            {"limit": "0"},
            {
                "type": "greater_than_equal",
                "loc": ["query", "limit"],
                "msg": "Input should be greater than or equal to 1",
                "input": "0",
                "ctx": {"ge": 1},
            },
        ),
        ({"limit": "1001"}, {"type": "less_than_equal", "ctx": {"le": 1000}}),
        ({"limit": "x"}, {"type": "int_parsing", "loc": ["query", "limit"], "input": "x"}),
        ({"offset": "-1"}, {"type": "greater_than_equal", "loc": ["query", "offset"]}),
        ({"since": "yesterday"}, {"type": "datetime_from_date_parsing", "loc": ["query", "since"]}),
    ],
)
def test_a_bad_query_is_located(graphs: GraphClient, query: dict[str, str], item: dict[str, Any]):
    answer = graphs.client.get("/v1/runs", params=query)

    [found] = answer.json()["detail"]
    assert answer.status_code == 422
    assert found | item == found


def test_a_user_sees_its_own_runs_and_others_are_not_there(graphs: GraphClient, as_role: AsRole):
    user = as_role("user")
    foreign, own = graphs.start("not yours"), user.start("mine")

    assert [run["run_id"] for run in user.page()["items"]] == [own]
    assert user.client.get(f"/v1/runs/{foreign}").status_code == 404
    for verb in ("cancel", "pause", "resume"):
        assert user.command(foreign, verb).status_code == 404
    assert user.command(foreign, "respond", {"response": {}}).status_code == 404
    assert own in [run["run_id"] for run in as_role("viewer").page()["items"]]
