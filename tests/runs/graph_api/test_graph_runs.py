"""Runs of graphs with several nodes over /v1: inputs, answers, steps, differences and forks."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.runs.graph_api.client import GraphClient
from tests.runs.graph_api.sockets import follow

AsRole = Callable[[str], GraphClient]

STARTING = {"graph_id": "webhook-triage"}


def refused_fields(answer: Any) -> dict[str, str]:
    """The complaints of a 422, by the end of their location."""
    assert answer.status_code == 422, answer.text
    return {str(item["loc"][-1]): item["type"] for item in answer.json()["detail"]}


def state_of(graphs: GraphClient, run_id: str, **query: Any) -> dict[str, Any]:
    answer = graphs.client.get(f"/v1/runs/{run_id}/state", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def answer_gate(graphs: GraphClient, run_id: str, **response: str) -> None:
    answer = graphs.command(run_id, "respond", {"response": response})
    assert answer.status_code == 200, answer.text


def routine(graphs: GraphClient) -> str:
    """A finished run of two steps."""
    run_id = graphs.start("", **STARTING, inputs={"text": "hello"})
    graphs.until(run_id, "done")
    return run_id


def approved(graphs: GraphClient, goal: str = "!say A draft") -> str:
    """A finished run whose gate, step 1, was approved."""
    run_id = graphs.start(goal, graph_id="approval")
    graphs.until(run_id, "awaiting-input")
    answer_gate(graphs, run_id, decision="approve")
    graphs.until(run_id, "done")
    return run_id


# --- Starting ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inputs", "complaints"),
    [
        ({}, {"text": "missing"}),
        ({"text": 5}, {"text": "string_type"}),
        ({"text": None}, {"text": "string_type"}),
        ({"text": "x", "urgent": "yes"}, {"urgent": "bool_type"}),
        ({"text": "x", "decision": []}, {"decision": "dict_type"}),
        ({"text": "x", "bogus": 1}, {"bogus": "extra_forbidden"}),
        (
            {"urgent": 1, "goal": 7},
            {"text": "missing", "urgent": "bool_type", "goal": "string_type"},
        ),
    ],
)
def test_inputs_that_do_not_fit_are_located(
    graphs: GraphClient, inputs: dict[str, Any], complaints: dict[str, str]
):
    answer = graphs.client.post("/v1/runs", json={**STARTING, "inputs": inputs})

    assert refused_fields(answer) == complaints
    assert all(item["loc"][:2] == ["body", "inputs"] for item in answer.json()["detail"])


def test_fields_that_are_not_sent_have_their_defaults(graphs: GraphClient):
    run_id = graphs.start("", **STARTING, inputs={"text": "hello", "subject": "a question"})
    graphs.until(run_id, "done")

    assert state_of(graphs, run_id)["state"] == {
        "goal": "",
        "subject": "a question",
        "text": "hello",
        "urgent": False,
        "verdict": "routine",
        "reply": "Thank you. We have received: a question",
        "decision": {},
    }


# --- Waiting ----------------------------------------------------------------------------------


def test_a_draft_is_written_again_until_it_is_approved_and_then_published(graphs: GraphClient):
    run_id = graphs.start("!say A first draft", graph_id="approval")
    graphs.until(run_id, "awaiting-input")
    unfit = graphs.command(run_id, "respond", {"response": {"decision": "perhaps"}})
    answer_gate(graphs, run_id, decision="reject", comment="shorter")
    graphs.until(run_id, "awaiting-input")
    second = state_of(graphs, run_id)
    answer_gate(graphs, run_id, decision="approve")
    graphs.until(run_id, "done")

    assert refused_fields(unfit) == {"response": "value_error"}
    assert (second["step"], second["nodes"], second["state"]["comment"]) == (
        3,
        ["draft"],
        "shorter",
    )
    [artifact] = graphs.client.get(f"/v1/runs/{run_id}/artifacts").json()
    assert (artifact["name"], artifact["content_type"]) == ("draft.md", "text/markdown")
    kept = graphs.client.get(f"/v1/artifacts/{artifact['artifact_id']}")
    assert kept.text == state_of(graphs, run_id)["state"]["draft"]


def test_the_way_of_a_run_is_in_its_steps(graphs: GraphClient):
    run_id = approved(graphs)

    gate = state_of(graphs, run_id, step=1)

    assert list(gate) == ["run_id", "step", "nodes", "state", "facts", "transition"]
    assert gate["state"]["review"] == {"decision": "approve"}
    assert gate["facts"][0]["data"] == {"decision": "approve"}
    assert gate["transition"] == {
        "from_node": "gate",
        "to_node": "publish",
        "targets": [],
        "rule_id": "",
        "reason": "continue",
    }


def test_a_waiting_graph_can_be_cancelled_and_answers_no_more(graphs: GraphClient):
    run_id = graphs.start("!say A draft", graph_id="approval")
    graphs.until(run_id, "awaiting-input")

    cancelled = graphs.command(run_id, "cancel")
    answer = graphs.command(run_id, "respond", {"response": {"decision": "approve"}})

    assert cancelled.json()["status"] == "cancelled"
    assert answer.status_code == 409
    assert answer.json()["detail"].startswith("respond invalid in state 'cancelled'")


def test_a_graph_is_paused_between_two_steps_and_resumed_from_an_earlier_one(graphs: GraphClient):
    run_id = graphs.start("!sleep 2\n!say a view", graph_id="fan-out-report")
    graphs.until_first_step(run_id)
    graphs.command(run_id, "pause")
    graphs.until(run_id, "paused")
    stopped = state_of(graphs, run_id)
    missing = graphs.command(run_id, "resume", {"from_step": stopped["step"] + 1})
    resumed = graphs.command(run_id, "resume", {"from_step": 0})
    again = graphs.command(run_id, "resume")
    graphs.until(run_id, "done")

    assert missing.status_code == 409
    assert missing.json() == {"detail": f"no checkpoint at step {stopped['step'] + 1}"}
    assert resumed.status_code == 202
    assert again.status_code == 409
    assert again.json()["detail"].startswith("cannot resume from state ")
    assert again.json()["detail"].endswith("; valid state is 'paused'")
    assert state_of(graphs, run_id)["step"] == 3
    assert len(graphs.client.get(f"/v1/runs/{run_id}/artifacts").json()) == 1


# --- Looking ----------------------------------------------------------------------------------


def test_graphs_are_listed_with_their_size_and_hash(graphs: GraphClient):
    listed = {row["graph_id"]: row for row in graphs.client.get("/v1/graphs").json()}

    assert listed["approval"]["node_count"] == 5
    assert len({row["graph_hash"] for row in listed.values()}) == len(listed)
    assert all(set(row["graph_hash"]) <= set("0123456789abcdef") for row in listed.values())
    assert {len(row["graph_hash"]) for row in listed.values()} == {64}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("state?step=99", 404),
        ("state?step=-1", 422),
        ("state?step=one", 422),
        ("diff", 422),
        ("diff?against=", 422),
        ("diff?against=nope", 404),
    ],
)
def test_a_step_or_run_that_is_not_there_is_told(graphs: GraphClient, path: str, status: int):
    run_id = routine(graphs)

    answer = graphs.client.get(f"/v1/runs/{run_id}/{path}")

    assert answer.status_code == status
    if "step=99" in path:
        assert answer.json() == {"detail": "no checkpoint at step 99"}


def test_steps_of_other_peoples_runs_do_not_exist(graphs: GraphClient, as_role: AsRole):
    run_id, user = routine(graphs), as_role("user")
    own = routine(user)

    state = user.client.get(f"/v1/runs/{run_id}/state")
    diff = user.client.get(f"/v1/runs/{own}/diff", params={"against": run_id})

    assert state.status_code == diff.status_code == 404
    assert state.json() == diff.json() == {"detail": f"run '{run_id}' not found"}


def test_runs_differ_from_the_first_step_whose_state_does(graphs: GraphClient):
    one, same = routine(graphs), routine(graphs)
    other = graphs.start("", **STARTING, inputs={"text": "good-bye"})
    graphs.until(other, "done")

    alike = graphs.client.get(f"/v1/runs/{one}/diff", params={"against": same}).json()
    apart = graphs.client.get(f"/v1/runs/{other}/diff", params={"against": one}).json()

    assert (alike["same"], alike["first_divergence"], alike["statuses"]) == (
        True,
        None,
        ["done", "done"],
    )
    assert apart["same"] is False
    assert apart["first_divergence"] == {
        "step": 0,
        "against_step": 0,
        "nodes": ["look"],
        "axis": "state",
        "patch": [{"op": "replace", "path": "/text", "value": "good-bye"}],
    }


def test_runs_that_went_other_ways_meet_where_they_ran_the_same_nodes(graphs: GraphClient):
    short = routine(graphs)
    long = graphs.start("", **STARTING, inputs={"text": "urgent"})
    graphs.until(long, "awaiting-input")
    answer_gate(graphs, long, reply="on my way")
    graphs.until(long, "done")

    diff = graphs.client.get(f"/v1/runs/{long}/diff", params={"against": short}).json()

    assert [(step["nodes"], step["step"], step["against_step"]) for step in diff["steps"]] == [
        (["look"], 0, 0),
        (["acknowledge"], None, 1),
        (["page"], 1, None),
        (["answer"], 2, None),
        (["answered"], 3, None),
    ]


def test_the_stream_ends_with_the_state_that_the_route_shows(graphs: GraphClient):
    run_id = approved(graphs)

    result = follow(graphs.client, run_id)[-1]

    assert result["final_state"] == state_of(graphs, run_id)["state"]


# --- Forking ----------------------------------------------------------------------------------


def fork(graphs: GraphClient, run_id: str, step: Any = 1, **mutation: Any) -> Any:
    return graphs.command(run_id, "counterfactual", {"step": step, "mutation": mutation})


@pytest.fixture
def forker(as_role: AsRole) -> GraphClient:
    """Somebody whose forks nobody else uses up."""
    return as_role("admin")


def test_a_fork_goes_the_way_of_another_answer(forker: GraphClient):
    parent = approved(forker)
    before = forker.summary(parent)

    answer = fork(forker, parent, respond_payloads={"1": {"decision": "reject", "comment": "no"}})
    child = answer.json()["run_id"]
    forker.until(child, "awaiting-input")

    assert answer.status_code == 200
    assert answer.json() == {
        "run_id": child,
        "parent_run_id": parent,
        "status": "pending",
        "graph_hash": forker.summary(child)["graph_hash"],
    }
    assert child.startswith("cf-")
    assert answer.json()["graph_hash"] != before["graph_hash"]
    assert forker.summary(child)["parent_run_id"] == parent
    assert state_of(forker, child, step=1)["transition"]["to_node"] == "note"
    assert forker.summary(parent) == before


@pytest.mark.parametrize(
    ("step", "mutation", "state", "heads"),
    [
        (0, {"state_overrides": {"draft": "Mine"}}, {"draft": "Mine"}, []),
        (0, {"node_output_overrides": {"draft": "Theirs"}}, {"draft": "Theirs"}, []),
        (0, {"facts_assert": [{"head": "seen"}]}, {"draft": "A draft"}, ["seen"]),
        (1, {}, {"review": {"decision": "approve"}}, ["stargraph.evidence"]),
        (1, {"facts_retract": [{"head": "stargraph.evidence"}]}, {"draft": "A draft"}, []),
    ],
    ids=["state", "output", "asserted", "nothing", "retracted"],
)
def test_what_a_mutation_changes_is_in_the_childs_first_step_and_the_child_runs_to_its_end(
    forker: GraphClient, step: int, mutation: Any, state: dict[str, Any], heads: list[str]
):
    parent = approved(forker)

    child = fork(forker, parent, step=step, **mutation).json()["run_id"]
    forker.until(child, "done")

    first = state_of(forker, child, step=step)
    assert {name: first["state"][name] for name in state} == state
    assert [fact["head"] for fact in first["facts"]] == heads
    [artifact] = forker.client.get(f"/v1/runs/{child}/artifacts").json()
    kept = forker.client.get(f"/v1/artifacts/{artifact['artifact_id']}")
    assert kept.text == first["state"]["draft"]
    assert child in [run["run_id"] for run in forker.page()["items"]]


def test_a_fork_that_makes_no_sense_is_refused(forker: GraphClient):
    parent = approved(forker)

    unknown_run = fork(forker, "nope")
    unknown_step = fork(forker, parent, step=99)
    unknown_pack = fork(forker, parent, rule_pack_version="2")

    assert unknown_run.status_code == 404
    assert unknown_run.json() == {"detail": "run 'nope' not found"}
    assert unknown_step.status_code == unknown_pack.status_code == 409
    assert unknown_step.json() == {"detail": "no checkpoint at step 99"}
    assert unknown_pack.json() == {"detail": "unknown rule_pack_version '2'"}


@pytest.mark.parametrize(
    ("mutation", "kind", "place"),
    [
        ({"bogus": 1}, "extra_forbidden", ["bogus"]),
        (
            {"respond_payloads": {"one": {}}},
            "int_parsing",
            ["respond_payloads", "one", "[key]"],
        ),
        ({"respond_payloads": {"1": 5}}, "dict_type", ["respond_payloads", "1"]),
        ({"state_overrides": {"nope": 1}}, "value_error", ["state_overrides", "nope"]),
        ({"state_overrides": {"draft": 1}}, "value_error", ["state_overrides", "draft"]),
        ({"node_output_overrides": {"nope": 1}}, "value_error", ["node_output_overrides", "nope"]),
        ({"state_overrides": {"review": {"n": 2**53}}}, "value_error", []),
    ],
)
def test_a_mutation_that_does_not_fit_is_located(
    forker: GraphClient, mutation: dict[str, Any], kind: str, place: list[str]
):
    parent = approved(forker)

    answer = fork(forker, parent, **mutation)

    assert answer.status_code == 422, answer.text
    [item] = answer.json()["detail"]
    assert (item["type"], item["loc"]) == (kind, ["body", "mutation", *place])


@pytest.mark.parametrize(("step", "kind"), [(-1, "greater_than_equal"), ("x", "int_parsing")])
def test_a_step_that_no_run_has_is_located(graphs: GraphClient, step: Any, kind: str):
    answer = fork(graphs, "nope", step=step)

    assert refused_fields(answer) == {"step": kind}


def test_forks_have_a_limit_of_their_own_whatever_becomes_of_them(forker: GraphClient):
    answers = [fork(forker, "nope")]
    while answers[-1].status_code == 404 and len(answers) < 100:  # one comes back every 6 s
        answers.append(fork(forker, "nope"))

    *let_in, limited = answers
    assert len(let_in) >= 10
    assert limited.status_code == 429
    assert limited.json() == {"detail": "counterfactual_rate_limit_exceeded"}
    assert 1 <= int(limited.headers["Retry-After"]) <= 6
