"""The four axes of a budget, over the whole run: before a call and in mid-stream."""

from typing import Any

import pytest

from tests.e2e.driving import Driver, until
from tests.runs.api.daemon import IS_CELERY
from tests.runs.tails.reading import CALL, TURN, Ended, run_to_end

PRICE = '!tool price {"article": "tea"}'


def assert_budget_failed(run: Ended, limit: str, where: str) -> dict[str, Any]:
    exceeded = run.only("BudgetExceeded")
    assert run.tail[-2:] == ["BudgetExceeded", "RunFailed"]
    assert (exceeded["limit"], exceeded["where"]) == (limit, where)
    assert exceeded["actual"] >= exceeded["cap"]
    assert (run.last["error"], run.last["error_type"]) == ("step: budget exceeded", "budget")
    assert run.detail["status"] == "failed"
    return exceeded


def test_a_prompt_above_the_input_limit_is_never_sent(driver: Driver):
    run = run_to_end(driver, "word " * 900, "little-input")

    exceeded = assert_budget_failed(run, "input_tokens", "pre_call")
    assert run.tail == ["BudgetExceeded", "RunFailed"]
    assert exceeded["cap"] == 400
    assert "turn_id" not in exceeded


def test_input_counts_over_the_whole_run(driver: Driver):
    run = run_to_end(driver, f"!usage 390 1\n{PRICE}\n!turn\n!say more", "little-input")

    exceeded = assert_budget_failed(run, "input_tokens", "pre_call")
    assert run.tail == [*TURN, *CALL, "BudgetExceeded", "RunFailed"]
    assert exceeded["actual"] > 390


def test_output_above_the_limit_cuts_the_stream(driver: Driver):
    run = run_to_end(driver, "!repeat 1000 blah", "little-output")

    exceeded = assert_budget_failed(run, "output_tokens", "mid_stream")
    assert run.tail == ["TurnStarted", "BudgetExceeded", "RunFailed"]
    assert exceeded["turn_id"] == run.only("TurnStarted")["turn_id"]
    assert exceeded["partial_text"].startswith("blah blah")
    assert len(exceeded["partial_text"].split()) < 1000  # it really was cut
    assert exceeded["partial_tokens"] == exceeded["actual"]


def test_output_counts_over_the_whole_run(driver: Driver):
    run = run_to_end(driver, f"!usage 5 8\n{PRICE}\n!turn\n!say more\n!usage 5 8", "little-output")

    exceeded = assert_budget_failed(run, "output_tokens", "mid_stream")
    assert run.tail == [*TURN, *CALL, "TurnStarted", "BudgetExceeded", "RunFailed"]
    assert (exceeded["cap"], exceeded["actual"]) == (10, 16)
    assert (exceeded["partial_text"], exceeded["partial_tokens"]) == ("more", 8)


def test_output_that_is_used_up_allows_no_further_call(driver: Driver):
    run = run_to_end(driver, f"!usage 5 10\n{PRICE}\n!turn\n!say more", "little-output")

    assert_budget_failed(run, "output_tokens", "pre_call")
    assert run.tail == [*TURN, *CALL, "BudgetExceeded", "RunFailed"]


def test_money_counts_over_the_whole_run(driver: Driver):
    script = f"!usage 40 20\n{PRICE}\n!turn\n!usage 40 20\n!say more"

    run = run_to_end(driver, script, "little-money")

    exceeded = assert_budget_failed(run, "usd", "mid_stream")
    assert run.tail == [*TURN, *CALL, "TurnStarted", "BudgetExceeded", "RunFailed"]
    assert exceeded["actual"] == pytest.approx(2 * (40e-6 + 20 * 2e-6))


def test_money_that_is_used_up_allows_no_further_call(driver: Driver):
    run = run_to_end(driver, f"!usage 100 0\n{PRICE}\n!turn\n!say more", "little-money")

    assert_budget_failed(run, "usd", "pre_call")


@pytest.mark.parametrize(
    ("script", "before"),
    [
        ("!say a\n!sleep 60", ["TurnStarted"]),
        ('!tool upsert {"seconds": 60}', [*TURN, "ToolCallScheduled"]),
        ('!tool blocks {"seconds": 2}', [*TURN, "ToolCallScheduled"]),
    ],
)
def test_time_ends_a_run_wherever_it_is(driver: Driver, script: str, before: list[str]):
    run = run_to_end(driver, script, "little-time")

    exceeded = assert_budget_failed(run, "wall_clock", "mid_stream")
    assert run.tail == [*before, "BudgetExceeded", "RunFailed"]
    assert exceeded["cap"] == 300
    assert "turn_id" not in exceeded


def test_the_tighter_of_the_request_and_the_graph_wins(driver: Driver):
    budget = {"max_output_tokens": 5, "max_input_tokens": 10_000}

    run = run_to_end(driver, "!usage 5 6\n!say x", "little-output", budget=budget)

    assert run.events[0]["payload"]["budget"] == {
        "max_output_tokens": 5,
        "max_input_tokens": 10_000,
    }
    assert assert_budget_failed(run, "output_tokens", "mid_stream")["cap"] == 5


def test_a_run_within_its_budget_completes(driver: Driver):
    run = run_to_end(driver, f"!usage 5 4\n{PRICE}\n!turn\n!usage 5 6\n!say done", "little-output")

    assert run.tail == [*TURN, *CALL, *TURN, "RunCompleted"]


@pytest.mark.skipif(
    IS_CELERY, reason="workers count in their own processes, which this server does not gather"
)
def test_runs_that_end_as_their_time_is_up_are_all_counted(driver: Driver):
    before = counted_ends(driver)

    started = [
        driver.start("!sleep 0.3\n!say x", budget={"max_wall_clock_ms": 300 + number})
        for number in range(30)
    ]

    ends = {driver.until_ended(run_id)["error_type"] for run_id in started}
    assert ends <= {None, "budget"}
    until(lambda: counted_ends(driver) - before == 30)


def counted_ends(driver: Driver) -> int:
    lines = driver.client.get("/metrics").text.splitlines()
    found = [line for line in lines if line.startswith("starling_run_terminal_total{")]
    return sum(int(float(line.rpartition(" ")[2])) for line in found)
