"""Limits at the edges that no route of ours shows: DRF's own dispatch, and the bucket of forks."""

import os
import time
from dataclasses import replace
from uuid import uuid4

import pytest

from accounts.errors import CounterfactualLimited
from accounts.principals import DAEMON, Principal
from accounts.rate_limits import charge_counterfactual, forget

PATIENCE_SECONDS = 60.0

STORES = [
    "memory",
    pytest.param(
        os.environ.get("REDIS_URL", ""),
        id="redis",
        marks=pytest.mark.skipif(not os.environ.get("REDIS_URL"), reason="needs Redis"),
    ),
]


def somebody() -> Principal:
    return replace(DAEMON, actor=str(uuid4()))


def forks_until_refused(caller: Principal) -> tuple[int, CounterfactualLimited]:
    """How many forks the caller could begin at once, and the refusal of the next one."""
    for count in range(1_000):
        try:
            charge_counterfactual(caller)
        except CounterfactualLimited as error:
            return count, error
    raise AssertionError("nothing was refused")


@pytest.mark.parametrize("store", STORES)
def test_ten_forks_at_once_and_then_one_every_six_seconds(settings, store: str):
    settings.RATELIMIT_STORE = store
    caller = somebody()

    count, refusal = forks_until_refused(caller)

    assert count >= 10  # more only when this took longer than six seconds
    assert 1 <= refusal.retry_after <= 6
    charge_counterfactual(somebody())


@pytest.mark.parametrize("store", STORES)
def test_the_bucket_fills_continuously(settings, store: str):
    settings.RATELIMIT_STORE, settings.RATELIMIT_COUNTERFACTUAL = store, 120  # two a second
    caller = somebody()
    forks_until_refused(caller)

    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            charge_counterfactual(caller)
            break
        except CounterfactualLimited:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    assert forks_until_refused(caller)[0] < 120


@pytest.mark.skipif(not os.environ.get("REDIS_URL"), reason="needs Redis")
def test_a_process_that_starts_later_finds_the_bucket_as_it_is(settings):
    settings.RATELIMIT_STORE = os.environ["REDIS_URL"]
    settings.RATELIMIT_COUNTERFACTUAL = 2
    caller = somebody()
    forks_until_refused(caller)

    forget()  # what a process knows before its first request

    assert forks_until_refused(caller)[0] <= 1


def test_forks_go_on_when_the_store_does_not_answer(settings):
    settings.RATELIMIT_STORE, settings.RATELIMIT_COUNTERFACTUAL = "redis://127.0.0.1:1", 1
    caller = somebody()

    for _ in range(3):
        charge_counterfactual(caller)


@pytest.mark.django_db
def test_a_view_of_drf_charges_its_caller(settings, client, owner, teammate):
    settings.RATELIMIT_ENABLED, settings.RATELIMIT_DEFAULT = True, 2
    settings.RATELIMIT_WINDOW_SECONDS, settings.RATELIMIT_STORE = 30 * 86_400, "memory"

    answers = [client.get("/v1/runs", headers=owner.headers) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert answers[2].json() == {"detail": "rate_limit_exceeded"}
    assert client.get("/v1/runs", headers=teammate.headers).status_code == 200
