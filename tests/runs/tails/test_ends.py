"""How runs end: the exact events of each outcome (spec, agent loop), over HTTP."""

import pytest

from tests.e2e.driving import Driver
from tests.runs.api.daemon import IS_CELERY
from tests.runs.tails.reading import CALL, FAILED_CALL, TURN, run_to_end

PRICE = '!tool price {"article": "tea"}'


def test_a_text_answer_completes_the_run(driver: Driver):
    run = run_to_end(driver, "!usage 5 3\n!say hello you there")

    assert run.tail == [*TURN, "RunCompleted"]
    assert run.last["final_text"] == "hello you there"
    assert (run.last["turn_count"], run.last["tool_call_count"]) == (1, 0)
    assert (run.last["total_input_tokens"], run.last["total_output_tokens"]) == (5, 3)
    assert run.last["total_cost_usd"] == pytest.approx(5e-6 + 3 * 2e-6)


def test_an_empty_answer_completes_the_run_as_well(driver: Driver):
    run = run_to_end(driver, "!think to myself")

    assert run.tail == [
        "TurnStarted",
        "ReasoningEmitted",
        "AssistantMessageCompleted",
        "RunCompleted",
    ]
    assert run.last["final_text"] == ""


def test_a_tool_and_then_text(driver: Driver):
    run = run_to_end(driver, f"{PRICE}\n!turn\n!say ten")

    assert run.tail == [*TURN, *CALL, *TURN, "RunCompleted"]
    assert run.only("ToolCallCompleted")["result"] == {"article": "tea", "price": 10}
    assert (run.last["turn_count"], run.last["tool_call_count"]) == (2, 1)


def test_parallel_calls_are_all_scheduled_before_the_first_begins(driver: Driver):
    run = run_to_end(driver, f"{PRICE}\n{PRICE}\n{PRICE}\n!turn\n!say ten")

    scheduled, completed = run.all("ToolCallScheduled"), run.all("ToolCallCompleted")
    assert run.tail == [
        *TURN, *["ToolCallScheduled"] * 3, *["ToolCallCompleted"] * 3, *TURN, "RunCompleted"
    ]  # fmt: skip
    assert {call["call_id"] for call in scheduled} == {call["call_id"] for call in completed}
    assert {call["attempt"] for call in scheduled + completed} == {1}


@pytest.mark.parametrize(
    ("call", "error", "error_type"),
    [
        ('refuse {"message": "sold out"}', "sold out", "tool"),
        ("panic {}", "tool: panicked: RuntimeError", "panic"),
        ("exits {}", "tool: panicked: SystemExit", "panic"),
        ("exits_in_a_thread {}", "tool: panicked: SystemExit", "panic"),
        ("cancels_itself {}", "tool: panicked: CancelledError", "panic"),
        ("inner_timeout {}", "tool: panicked: TimeoutError()", "panic"),
        ("too_slow {}", "no result within 0.2 s", "timeout"),
        ("no_such_tool {}", "step: tool not found: no_such_tool", "tool"),
        ("price {}", "price: article: is required", "tool"),
        ('price {"article": 5}', "price: article: must be of type string", "tool"),
        ("nonsense {}", "the result cannot be recorded: object has no place in a log", "tool"),
    ],
)
class TestAFailingTool:
    def test_is_reported_to_the_model_by_default(self, driver, call, error, error_type):
        run = run_to_end(driver, f"!tool {call}\n!turn\n!say never mind")

        failed = run.only("ToolCallFailed")
        assert run.tail == [*TURN, *FAILED_CALL, *TURN, "RunCompleted"]
        assert (failed["error"], failed["error_type"], failed["final"]) == (error, error_type, True)
        assert run.last["final_text"] == "never mind"

    def test_fails_the_run_where_the_graph_says_so(self, driver, call, error, error_type):
        run = run_to_end(driver, f"!tool {call}\n!turn\n!say never mind", "strict")

        name, call_id = call.split()[0], run.only("ToolCallScheduled")["call_id"]
        assert run.tail == [*TURN, *FAILED_CALL, "RunFailed"]
        assert run.only("ToolCallFailed")["error_type"] == error_type
        assert run.last["error"] == f'starling: tool "{name}" (call {call_id}): {error}'
        assert run.last["error_type"] == "tool"
        assert run.detail["error"] == run.last["error"]


def test_what_a_tool_raised_by_mistake_is_in_no_event(driver: Driver):
    run = run_to_end(driver, "!tool panic {}", "strict")

    assert "the secret detail" not in str(run.events)


def test_of_several_failed_calls_the_first_in_plan_order_is_named(driver: Driver):
    run = run_to_end(
        driver,
        '!tool refuse {"message": "first", "seconds": 0.3}\n!tool refuse {"message": "second"}',
        "strict",
    )

    assert run.tail == [
        *TURN, *["ToolCallScheduled"] * 2, *["ToolCallFailed"] * 2, "RunFailed"
    ]  # fmt: skip
    # Outcomes come as the calls finish, but the run is blamed on what the model asked for first.
    assert [failed["error"] for failed in run.all("ToolCallFailed")] == ["second", "first"]
    assert run.last["error"].endswith(": first")


def test_one_failed_call_does_not_stop_its_siblings(driver: Driver):
    run = run_to_end(
        driver, '!tool refuse {"message": "no"}\n!tool upsert {"seconds": 0.3}', "strict"
    )

    assert run.tail[-3:] == ["ToolCallFailed", "ToolCallCompleted", "RunFailed"]


def test_the_last_allowed_turn_still_gets_its_tools(driver: Driver):
    run = run_to_end(driver, f"{PRICE}\n!turn\n{PRICE}\n!turn\n!say done", "two-turns")

    assert run.tail == [*TURN, *CALL, *TURN, *CALL, "RunFailed"]
    assert run.last["error"] == "starling: max turns exceeded"
    assert run.last["error_type"] == "max_turns"


@pytest.mark.parametrize(
    ("kind", "error_type", "prefix"),
    [
        ("bad_request", "provider", 'starling: provider "scripted": '),
        ("auth", "provider", 'starling: provider "scripted": '),
        ("rate_limit", "provider", 'starling: provider "scripted": '),
        ("overloaded", "provider", 'starling: provider "scripted": '),
        ("timeout", "provider", 'starling: provider "scripted": '),
        ("network", "provider", 'starling: provider "scripted": '),
        ("invalid_stream", "internal", "starling: invalid stream: "),
    ],
)
def test_a_failing_provider_fails_the_run(driver: Driver, kind, error_type, prefix):
    run = run_to_end(driver, f"!say half an answ\n!fail {kind}")

    assert run.tail == ["TurnStarted", "RunFailed"]
    assert run.last["error_type"] == error_type
    assert run.last["error"].startswith(prefix)


@pytest.mark.skipif(
    IS_CELERY, reason="workers count in their own processes, which this server does not gather"
)
@pytest.mark.parametrize(("kind", "tries"), [("overloaded", 3), ("auth", 1)])
def test_only_failures_that_may_pass_are_tried_again(driver: Driver, kind, tries):
    before = provider_errors(driver)

    run_to_end(driver, f"!fail {kind}")

    assert provider_errors(driver) - before == tries


def provider_errors(driver: Driver) -> int:
    lines = driver.client.get("/metrics").text.splitlines()
    found = [line for line in lines if "provider_calls_total{" in line and 'status="error"' in line]
    return sum(int(float(line.rpartition(" ")[2])) for line in found)


def test_the_first_event_describes_the_agent(driver: Driver):
    run = run_to_end(driver, "hello", "one-tool")

    started = run.events[0]["payload"]
    assert (started["provider_id"], started["model_id"]) == ("scripted", "scripted")
    assert started["system_prompt"] == "Be brief."
    assert [schema["name"] for schema in started["tool_schemas"]] == ["price"]


def test_a_tool_the_graph_does_not_offer_is_not_found(driver: Driver):
    run = run_to_end(driver, "!tool upsert {}\n!turn\n!say ok", "one-tool")

    assert run.only("ToolCallFailed")["error"] == "step: tool not found: upsert"


def test_text_beyond_unicode_is_recorded_as_the_replacement_character(driver: Driver):
    run = run_to_end(driver, '!tool returns_text {"text": "a\\ud800b"}\n!turn\n!say ok')

    assert run.only("ToolCallScheduled")["args"] == {"text": "a\ufffdb"}
    assert run.only("ToolCallCompleted")["result"] == {"result": "a\ufffdb"}


def test_an_error_with_a_nul_in_it_ends_the_run_like_any_other(driver: Driver):
    run = run_to_end(driver, '!tool refuse {"message": "a\\u0000b"}', "strict")

    assert run.last["error_type"] == "tool"
    assert run.last["error"].endswith(": a\x00b")
    assert run.detail["error"].endswith(": a\ufffdb")  # PostgreSQL's text columns hold no NUL
