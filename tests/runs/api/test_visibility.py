"""Whose runs a caller may know of: a `user` its own, everybody else with `runs:read` all."""

import pytest

from tests.runs.api.conftest import Cast
from tests.runs.api.daemon import SLEEPING_GOAL


def test_the_owner_and_a_teammate_see_the_run(cast: Cast):
    run_id = cast.owner.run_to_end("hello")

    for caller in (cast.owner, cast.teammate):
        assert caller.detail(run_id)["run_id"] == run_id
        assert run_id in caller.listed_ids()


@pytest.mark.parametrize("suffix", ["", "/events", "/stream"])
def test_to_a_stranger_the_run_does_not_exist(cast: Cast, suffix: str):
    run_id = cast.owner.run_to_end("hello")

    foreign = cast.stranger.client.get(f"/api/v1/runs/{run_id}{suffix}")
    unknown = cast.stranger.client.get(f"/api/v1/runs/01ARZ3NDEKTSV4RRFFQ69G5FAV{suffix}")

    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json()["error"].replace(run_id, "") == unknown.json()["error"].replace(
        "01ARZ3NDEKTSV4RRFFQ69G5FAV", ""
    )


def test_a_stranger_cannot_cancel_it(cast: Cast):
    run_id = cast.owner.start(SLEEPING_GOAL)

    response = cast.stranger.cancel(run_id)

    assert response.status_code == 404
    assert cast.owner.cancel(run_id).status_code == 202


def test_a_stranger_neither_lists_nor_counts_it(cast: Cast):
    goal = "seen by its owner alone"
    run_id = cast.owner.run_to_end(goal)

    assert cast.stranger.page(q=goal) == {"runs": [], "total": 0, "limit": 50, "offset": 0}
    assert run_id not in cast.stranger.listed_ids(status="completed")
    assert cast.owner.page(q=goal)["total"] == 1


def test_totals_of_one_caller_are_not_shown_to_another(cast: Cast):
    for number in range(3):
        cast.owner.run_to_end(f"count me {number}")

    mine = cast.owner.page(limit=1)["total"]
    theirs = cast.stranger.page(limit=1)["total"]

    assert mine >= 3
    assert theirs < mine


def test_a_teammate_may_cancel_it(cast: Cast):
    run_id = cast.owner.start(SLEEPING_GOAL)

    assert cast.teammate.cancel(run_id).status_code == 202
