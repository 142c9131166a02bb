"""GET /api/v1/runs."""

from collections.abc import Callable

import pytest

from tests.conftest import StartServer
from tests.runs.api.daemon import SLEEPING_GOAL, Daemon


@pytest.fixture
def fresh(start_server: StartServer) -> Daemon:
    """A server that has no runs yet."""
    return Daemon(start_server().client)


def test_newest_come_first(daemon: Daemon):
    ids = [daemon.run_to_end(f"in this order {number}") for number in range(3)]

    page = daemon.page(q="in this order")

    assert [run["run_id"] for run in page["runs"]] == ids[::-1]
    starts = [run["started_at"] for run in page["runs"]]
    assert starts == sorted(starts, reverse=True)


def test_an_item_says_what_the_detail_says(daemon: Daemon):
    run_id = daemon.run_to_end("hello")

    (item,) = daemon.page(q=run_id)["runs"]

    assert set(item) == {
        "run_id", "status", "daemon_status", "started_at", "last_seq", "turn_count",
        "tool_call_count", "input_tokens", "output_tokens", "cost_usd", "duration_ms",
    }  # fmt: skip
    assert item["run_id"] == run_id
    assert item.items() <= daemon.detail(run_id).items()


def test_pages_cover_every_run_once_and_the_total_is_exact(fresh: Daemon):
    ids = [fresh.run_to_end("hello") for _ in range(7)]

    pages = [fresh.page(limit=3, offset=offset) for offset in (0, 3, 6, 9)]

    assert [run["run_id"] for page in pages for run in page["runs"]] == ids[::-1]
    assert [page["total"] for page in pages] == [7] * 4
    assert [page["offset"] for page in pages] == [0, 3, 6, 9]


def test_the_total_is_exact_right_after_every_change(fresh: Daemon):
    totals = []
    for number in range(5):
        fresh.run_to_end("hello")
        running = fresh.start_and_wait_for("TurnStarted", SLEEPING_GOAL)
        totals.append(
            (fresh.page(limit=1)["total"], fresh.page(limit=1, status="completed")["total"])
        )
        fresh.cancel(running)
        assert fresh.page(limit=1, status="cancelled")["total"] == number + 1

    assert totals == [(2 * number, number) for number in range(1, 6)]


def test_a_queued_run_without_events_is_absent(start_clogged: Callable[..., Daemon]):
    daemon = start_clogged()

    run_id = daemon.start("hello")

    assert run_id not in daemon.listed_ids()
    assert daemon.page(q="hello")["total"] == 0


@pytest.fixture(scope="module")
def population(_shared_server) -> dict[str, str]:
    """One run per status, by status."""
    daemon = Daemon(_shared_server.client)
    return {
        "completed": daemon.run_to_end("!say population done"),
        "failed": daemon.run_to_end("population\n!fail auth"),
        "cancelled": _cancelled(daemon, "population\n!sleep 120"),
        "in progress": daemon.start_and_wait_for("TurnStarted", "population\n!sleep 600"),
    }


def _cancelled(daemon: Daemon, goal: str) -> str:
    run_id = daemon.start(goal)
    assert daemon.cancel(run_id).status_code == 202
    return run_id


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("completed", "completed"),
        ("failed", "failed"),
        ("cancelled", "cancelled"),
        ("in progress", "in progress"),
        ("in_progress", "in progress"),
        ("in-progress", "in progress"),
        ("running", "in progress"),
        ("  Completed ", "completed"),
        ("FAILED", "failed"),
    ],
)
def test_the_status_filter(daemon: Daemon, population: dict[str, str], word: str, status: str):
    page = daemon.page(status=word, q="population")

    assert [run["run_id"] for run in page["runs"]] == [population[status]]
    assert page["runs"][0]["status"] == status
    assert page["total"] == 1


def test_an_unknown_status_matches_nothing(daemon: Daemon, population: dict[str, str]):
    page = daemon.page(status="exploded")

    assert page == {"runs": [], "total": 0, "limit": 50, "offset": 0}


def test_an_empty_status_filters_nothing(daemon: Daemon, population: dict[str, str]):
    assert daemon.page(status="", q="population")["total"] == 4


@pytest.mark.parametrize("text", ["prog", "IN PROGRESS", " in prog "])
def test_text_is_looked_for_in_the_status_word(
    daemon: Daemon, population: dict[str, str], text: str
):
    assert population["in progress"] in daemon.listed_ids(q=text)
    assert population["failed"] not in daemon.listed_ids(q=text)


def test_text_is_looked_for_in_ids(daemon: Daemon):
    run_id = daemon.run_to_end("hello")

    assert daemon.listed_ids(q=run_id[8:].lower()) == [run_id]


def test_text_is_looked_for_in_goals_in_any_case(daemon: Daemon):
    run_id = daemon.run_to_end("Summarise the ÄRGERNIS of Straße 7")

    for text in ("summarise the", "SUMMARISE THE", "ärgernis", "ÄRGERNIS OF STRAßE"):
        assert daemon.listed_ids(q=text)[0] == run_id, text


def test_text_is_looked_for_in_errors(daemon: Daemon, population: dict[str, str]):
    error = daemon.detail(population["failed"])["error"]

    assert population["failed"] in daemon.listed_ids(q=error)


@pytest.mark.parametrize("wildcard", ["10%", "a_b", "back\\slash", "[x]", "*?", "ü.*"])
def test_wildcards_are_only_characters(daemon: Daemon, wildcard: str):
    daemon.run_to_end(wildcard.replace("%", "0").replace("_", "c").replace(".", "z"))
    run_id = daemon.run_to_end(f"exactly {wildcard} here")

    assert daemon.listed_ids(q=f"exactly {wildcard}") == [run_id]
    assert daemon.listed_ids(q=f"{wildcard} here") == [run_id]


def test_filters_are_combined(daemon: Daemon, population: dict[str, str]):
    assert daemon.page(q="population", status="failed", limit=1, offset=1)["runs"] == []
    assert daemon.listed_ids(q="population", status="failed") == [population["failed"]]


def test_a_limit_above_the_maximum_counts_as_the_maximum(daemon: Daemon):
    assert daemon.page(limit=201)["limit"] == 200
    assert daemon.page(limit="9" * 30)["limit"] == 200


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "-1"},
        {"limit": "ten"},
        {"limit": "1.5"},
        {"limit": "1_0"},
        {"limit": "٣"},
        {"offset": "-1"},
        {"offset": "x"},
        {"q": "x" * 1001},
        {"q": "a\x00b"},
    ],
    ids=str,
)
def test_nonsense_is_refused(daemon: Daemon, query: dict[str, str]):
    response = daemon.client.get("/api/v1/runs", params=query)

    assert response.status_code == 400
    assert list(response.json()) == ["error"]


def test_an_offset_past_the_end_is_an_empty_page(daemon: Daemon, population: dict[str, str]):
    for offset in ("100000", "9" * 40):
        page = daemon.page(offset=offset)

        assert page["runs"] == []
        assert page["total"] >= 4
