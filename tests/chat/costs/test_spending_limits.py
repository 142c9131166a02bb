"""Limits of users and keys: they stop runs before the next model call, and refuse new ones."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.chat.costs.conftest import CALL, DOLLAR, NewPayer, Payer
from tests.chat.gateway import new_key
from tests.runs.api.daemon import IS_CELERY, Frame, named
from tests.server import RunningServer

Limit = Callable[[Payer, float], None]

#: Workers learn within a second of a limit that was set in another process.
LEARN = "!sleep 1.2\n" if IS_CELERY else ""
THREE_CALLS = f"{LEARN}{DOLLAR}\n{CALL}\n!turn\n{DOLLAR}\n{CALL}\n!turn\n{DOLLAR}\n!say Done."


def kinds_of(frames: list[Frame]) -> list[str]:
    return [event["kind"] for event in named(frames, "event")]


def test_a_run_is_stopped_before_the_call_that_nothing_is_left_for(payer: NewPayer, limit: Limit):
    ada = payer()
    limit(ada, 1.5)

    run_id = ada.daemon.start(THREE_CALLS)
    frames = ada.daemon.follow(run_id)

    assert kinds_of(frames).count("TurnStarted") == 2
    stopped = next(e for e in named(frames, "event") if e["kind"] == "BudgetExceeded")["payload"]
    assert (stopped["limit"], stopped["where"]) == ("spending", "pre_call")
    assert (stopped["cap"], stopped["actual"]) == (1.5, pytest.approx(2.0, abs=0.01))
    detail = ada.daemon.detail(run_id)
    assert detail["error"] == "Spending limit reached: 1.5 USD a day"
    assert (detail["error_type"], detail["validation"]["status"]) == ("budget", "valid")


def test_whoever_has_spent_all_starts_nothing_on_any_surface(payer: NewPayer, limit: Limit):
    ada = payer()
    limit(ada, 1)
    ada.daemon.run_to_end(f"{DOLLAR}\n!say Done.")
    before = ada.daemon.get("/v1/runs")["total"]
    client, reached = ada.daemon.client, "Spending limit reached: 1 USD a day"

    daemon = client.post("/api/v1/runs", json={"goal": "more"})
    graph = client.post("/v1/runs", json={"graph_id": "agent", "params": {"goal": "more"}})
    chat = ada.gateway.post_chat("more")

    assert [answer.status_code for answer in (daemon, graph, chat)] == [429, 429, 429]
    assert daemon.json() == {"error": reached}
    assert graph.json() == {"detail": reached}
    assert chat.json() == {"error": reached}
    assert 1 <= int(daemon.headers["Retry-After"]) <= 86_400
    assert ada.daemon.get("/v1/runs")["total"] == before


def test_a_chat_that_is_stopped_on_its_way_says_so(payer: NewPayer, limit: Limit):
    ada = payer()
    limit(ada, 0.5)

    answer = ada.gateway.post_chat(THREE_CALLS)

    assert answer.status_code == 429
    assert answer.json() == {"error": "Chat error: Spending limit reached: 0.5 USD a day"}


def test_a_message_that_waited_is_refused_when_its_turn_comes(payer: NewPayer, limit: Limit):
    ada, key = payer(), new_key()
    limit(ada, 1)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(
            ada.gateway.post_chat, f"{DOLLAR}\n!sleep 1\n!say Done.", channel_session_key=key
        )
        while not ada.daemon.get("/v1/runs")["total"]:
            pass
        second = ada.gateway.post_chat("more", channel_session_key=key)

    assert first.result().json()["text"] == "Done."
    assert (second.status_code, second.json()) == (
        429,
        {"error": "Chat error: Spending limit reached: 1 USD a day"},
    )


def test_what_a_run_under_way_has_spent_counts(payer: NewPayer, limit: Limit):
    ada = payer()
    limit(ada, 1)
    working = ada.daemon.start(f"{DOLLAR}\n{CALL}\n!turn\n!sleep 120\n!say late")
    with ada.daemon.stream(working) as frames:
        next(f for f in frames if f.name == "event" and f.data["kind"] == "ToolCallCompleted")

    refused = ada.daemon.client.post("/api/v1/runs", json={"goal": "more"})
    ada.daemon.cancel(working)

    assert refused.status_code == 429
    assert ada.until_recorded(1)["total_cost_usd"] == pytest.approx(1.0)


def test_a_keys_limit_is_that_keys(payer: NewPayer):
    ada = payer(key_limit=1)
    other = payer(user_id=ada.user_id)

    ada.daemon.run_to_end(f"{DOLLAR}\n!say Done.")

    refused = ada.daemon.client.post("/api/v1/runs", json={"goal": "more"})
    assert (refused.status_code, refused.json()) == (
        429,
        {"error": "Spending limit reached: 1 USD for this API key"},
    )
    assert other.daemon.run_to_end("more")


def test_runs_that_a_run_starts_are_paid_by_its_key(payer: NewPayer, server: RunningServer):
    ada = payer(key_limit=1)
    child = f'!tool start_run {{"goal": "{DOLLAR}"}}\n!turn\n!say Started.'

    ada.daemon.run_to_end(child)  # or to the limit: its child may have reached that by then

    ada.until_recorded(2)
    refused = ada.daemon.client.post("/api/v1/runs", json={"goal": "more"})
    assert refused.status_code == 429


def test_who_has_no_limit_goes_on(payer: NewPayer, limit: Limit):
    ada, eve = payer(), payer()
    limit(ada, 0)

    assert ada.daemon.client.post("/api/v1/runs", json={"goal": "x"}).status_code == 429
    assert eve.daemon.detail(eve.daemon.run_to_end(THREE_CALLS))["status"] == "completed"


def test_a_warning_at_four_fifths_and_a_word_at_the_end_once_each(payer: NewPayer, limit: Limit):
    ada = payer()
    limit(ada, 1)

    ada.daemon.run_to_end("!usage 850000 0\n!say most of it")
    ada.until_recorded(1)
    ada.daemon.run_to_end("!usage 10000 0\n!say a little more")
    ada.until_recorded(2)
    ada.daemon.run_to_end(f"{DOLLAR}\n!say the rest")
    ada.until_recorded(3)
    while not ada.facts("spending_limit_reached"):
        pass

    [warned] = ada.facts("spending_warned")
    assert (warned["period"], warned["cap_usd"]) == ("day", 1.0)
    assert 0.8 <= warned["spent_usd"] < 1
    assert len(ada.facts("spending_limit_reached")) == 1
