"""What whoever pays for a run may spend is asked before each model call, by the app that knows."""

from collections.abc import Iterator

import pytest

from runs.engine import spending
from runs.engine.spending import LimitReached, Spender
from tests.runs.engine.conftest import Harness

TWO_CALLS = '!say Let me see.\n!tool calculate {"expression": "6*7"}\n!turn\n!say It is 42.'


class OneCall:
    """An app above that lets each run make one call."""

    def __init__(self) -> None:
        self.calls = 0

    def may_apply(self, spender: Spender) -> bool:
        return True

    def reached(self, spender: Spender, *, tells: bool) -> LimitReached | None:
        if not tells:
            return None  # asked at the start of the run
        self.calls += 1
        return LimitReached("1 USD a day", 1.0, 1.25) if self.calls > 1 else None


@pytest.fixture
def _one_call() -> Iterator[None]:
    before = spending._limits
    spending.set_limits(OneCall())
    yield
    spending.set_limits(before)


@pytest.mark.usefixtures("_one_call")
async def test_a_run_ends_at_the_call_that_is_forbidden_and_replays_so(harness: Harness):
    run = await harness.run(TWO_CALLS)

    assert (run.status, run.error_type) == ("failed", "budget")
    assert run.error == "Spending limit reached: 1 USD a day"
    assert (await harness.kinds(run.id))[-3:] == [
        "ToolCallCompleted", "BudgetExceeded", "RunFailed",
    ]  # fmt: skip
    assert (await harness.validate(run.id)).is_valid
    assert (await harness.replay(run.id)).is_clean


@pytest.mark.usefixtures("_one_call")
async def test_the_models_of_a_graphs_nodes_are_asked_for_as_well(harness: Harness):
    graph = harness.add_document(
        {
            "ir_version": "1.1.0",
            "id": "two-models",
            "nodes": [
                {"id": "first", "kind": "llm", "config": {"prompt": "!say one", "out": "one"}},
                {"id": "second", "kind": "llm", "config": {"prompt": "!say two", "out": "two"}},
            ],
        }
    )

    run = await harness.run("", graph_id=graph)

    assert (run.status, run.error_type) == ("failed", "budget")
    assert run.turn_count == 1
