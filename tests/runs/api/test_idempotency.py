"""Idempotency-Key on POST /api/v1/runs: a client that lost the answer may ask again."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.runs.api.conftest import Cast
from tests.runs.api.daemon import Daemon


def post(daemon: Daemon, key: str, body: bytes = b'{"goal":"hello"}') -> httpx.Response:
    return daemon.client.post("/api/v1/runs", content=body, headers={"Idempotency-Key": key})


def test_the_same_key_and_body_get_the_first_answer_again(daemon: Daemon):
    first = post(daemon, "same")

    again = post(daemon, "same")

    assert first.status_code == again.status_code == 202
    assert again.json() == first.json()
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers


def test_the_first_answer_comes_again_after_the_run_has_ended(daemon: Daemon):
    first = post(daemon, "ended")
    daemon.follow(first.json()["run_id"])

    assert post(daemon, "ended").json() == first.json()


def test_bodies_are_compared_as_parsed_json(daemon: Daemon):
    first = post(daemon, "spelling", b'{"goal":"h\\u0069", "priority":0}')

    again = post(daemon, "spelling", b'{ "priority": 0, "goal": "hi" }')

    assert again.json() == first.json()


def test_another_body_under_the_same_key_is_a_conflict(daemon: Daemon):
    post(daemon, "other")

    response = post(daemon, "other", b'{"goal":"something else"}')

    assert response.status_code == 409
    assert list(response.json()) == ["error"]


def test_a_key_belongs_to_its_caller(cast: Cast):
    mine = post(cast.owner, "shared by chance")

    theirs = post(cast.stranger, "shared by chance")

    assert theirs.status_code == 202
    assert theirs.json()["run_id"] != mine.json()["run_id"]


def test_a_refused_body_leaves_the_key_free(daemon: Daemon):
    refused = post(daemon, "second try", b'{"goal":""}')

    accepted = post(daemon, "second try")

    assert (refused.status_code, accepted.status_code) == (400, 202)


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_a_key_that_is_no_key_is_refused(daemon: Daemon, key: str):
    assert post(daemon, key).status_code == 400


def test_twins_that_race_start_one_run(daemon: Daemon):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(daemon, "race"), range(8)))

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["run_id"] for answer in answers}) == 1
