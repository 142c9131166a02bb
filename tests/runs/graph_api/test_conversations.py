"""Runs that go on from what was said before: `history` and `options` of an agent node."""

from typing import Any

import pytest

from tests.runs.graph_api.client import GraphClient

SAID = [
    {"role": "user", "text": "add 2 and 3"},
    {
        "role": "assistant",
        "text": "",
        "tool_uses": [{"call_id": "c1", "tool": "calculate", "args": {"expression": "2+3"}}],
    },
    {"role": "tool", "call_id": "c1", "tool": "calculate", "result": {"result": 5}},
    {"role": "assistant", "text": "5"},
]


def _start(graphs: GraphClient, goal: str, **inputs: Any) -> Any:
    return graphs.client.post(
        "/v1/runs", json={"graph_id": "chat", "params": {"goal": goal, **inputs}}
    )


def test_the_model_is_told_what_was_said_before(graphs: GraphClient):
    run_id = _start(graphs, "and now?", history=SAID, system="You add.").json()["run_id"]
    graphs.until(run_id, "done")

    state = graphs.client.get(f"/v1/runs/{run_id}/state", params={"step": 0}).json()["state"]

    assert [message["role"] for message in state["messages"]] == [
        "user", "assistant", "tool", "assistant", "user", "assistant",
    ]  # fmt: skip
    assert state["messages"][4]["text"] == "and now?"


def test_a_run_may_choose_its_limit_of_turns(graphs: GraphClient):
    goal = "!tool now {}\n!tool now {}\n!turn\n!tool now {}\n!turn\n!say done"

    run_id = _start(graphs, goal, options={"max_turns": 1}).json()["run_id"]

    assert graphs.until(run_id, "failed")["error_class"] == "max_turns"


@pytest.mark.parametrize(
    ("inputs", "place"),
    [
        ({"history": [{"role": "system", "text": "x"}]}, "history"),
        ({"history": [{"role": "user"}]}, "history"),
        ({"history": SAID[:2]}, "history"),
        ({"history": [SAID[2]]}, "history"),
        ({"options": {"max_turns": 0}}, "options"),
        ({"options": {"tools": []}}, "options"),
    ],
)
def test_what_no_agent_can_begin_with_is_refused(graphs: GraphClient, inputs: Any, place: str):
    before = graphs.page()["total"]

    answer = _start(graphs, "hello", **inputs)

    assert answer.status_code == 422
    assert place in str(answer.json()["detail"][0]["loc"])
    assert graphs.page()["total"] == before
