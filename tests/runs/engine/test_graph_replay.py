"""Replays of runs of several nodes: every kind of node clean, nothing done twice, and differences
found where they are.
"""

from functools import partial
from typing import Any

import pytest

from accounts.principals import DAEMON
from project.lib.pool import in_database_thread
from runs.log.events import StoredEvent
from runs.models import ArtifactRef, Run
from runs.services.forking import fork_run
from runs.services.lifecycle import cancel_run, pause_run, respond, resume_run
from runs.services.mutations import Mutation
from runs.tools.base import Tool, ToolError
from tests.runs.engine.test_graphs import graph, racing, rule, text

pytestmark = pytest.mark.django_db(transaction=True)

OBJECT = {"type": "object", "properties": {}, "additionalProperties": False}
OUTSIDE = {
    "RunPaused", "RunUnpaused", "RunRewound", "RunForked", "RunCancelled", "RunResumed",
    "SideEffectRecorded",
}  # fmt: skip


class Counted:
    """A tool, its answer, and how often it was called."""

    def __init__(self, name: str, side_effects: Any = "none") -> None:
        self.answer: Any = "yes"
        self.calls = 0
        self.tool = Tool(name, name, OBJECT, self._execute, side_effects=side_effects)

    async def _execute(self, arguments: dict[str, Any], context: Any) -> Any:
        self.calls += 1
        at = await context.now()
        if isinstance(self.answer, ToolError):
            raise self.answer
        return {"answer": self.answer, "at": at}


def llm(node_id: str, prompt: str, **config: Any) -> dict[str, Any]:
    return {"id": node_id, "kind": "llm", "config": {"prompt": prompt, "out": node_id, **config}}


def tool(node_id: str, name: str) -> dict[str, Any]:
    return {"id": node_id, "kind": "tool", "config": {"tool": name, "out": node_id}}


def gate(node_id: str, **config: Any) -> dict[str, Any]:
    config = {"prompt": f"{node_id}?", "output_field": node_id, **config}
    return {"id": node_id, "kind": "interrupt", "config": config}


def fan(*targets: str, strategy: str = "all", join: str = "end") -> dict[str, Any]:
    action = {"kind": "parallel", "targets": list(targets), "strategy": strategy, "join": join}
    return rule("fan", {"node": "begin"}, action)


BEGIN, END = {"id": "begin", "kind": "echo"}, text("end", "end", "answer")


def branches(strategy: str, *nodes: dict[str, Any]) -> dict[str, Any]:
    targets = [node["id"] for node in nodes]
    return graph([BEGIN, *nodes, END], [fan(*targets, strategy=strategy)])


async def answer(harness, run_id: str, prompt: str) -> None:
    await harness.until_asked(run_id, prompt)
    response = {"decision": "approve"}
    await in_database_thread(respond, run_id=run_id, response=response, caller=DAEMON)


async def until_end(harness, run_id: str) -> Run:
    run: Run = await harness.until(run_id, lambda run: run.is_finished)
    return run


async def assert_clean(harness, run_id: str) -> None:
    """Every event that the run itself wrote was produced again and compared."""
    events = await harness.events(run_id)

    report = await harness.replay(run_id)

    assert report.divergence is None
    assert report.compared == sum(not is_from_outside(event) for event in events)


def is_from_outside(event: StoredEvent) -> bool:
    """What was not written by the run's own steps, or is part of a tool call."""
    if event.kind_name == "InputReceived":
        return not event.data["actor"].startswith("cf:")  # of a fork, which asked nobody
    return event.kind_name in OUTSIDE


MAP = {
    "id": "each",
    "kind": "map",
    "config": {
        "over": "words",
        "as": "word",
        "max_parallel": 2,
        "out": "loud",
        "node": {"kind": "llm", "config": {"prompt": "!sleep {{ index % 3 / 50 }}\n!say {{word}}"}},
    },
}
WORDS = {"words": {"type": "list", "default": ["a", "b", "c", "d", "e"]}}
RETRY = rule(
    "again", "attempts < 2", {"kind": "retry", "target": "call", "backoff_ms": 60},
    after="failure",
)  # fmt: skip
GIVE_UP = rule("enough", "attempts >= 2", {"kind": "goto", "target": "end"}, after="failure")
SLOWLY = [llm(f"m{number}", f"!sleep 0.0{number}\n!say {number}") for number in (3, 1, 2)]
TYPED = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@pytest.mark.parametrize(
    ("document", "status"),
    [
        (graph([BEGIN, text("a", "{{ goal }}", "x"), END]), "done"),
        (graph([llm("a", "!think hm\n!say yes"), llm("b", "!say {{ a }}"), END]), "done"),
        (graph([llm("a", '!say {"n": 1}', output_schema=TYPED), END]), "done"),
        (graph([llm("a", "!fail auth"), END]), "failed"),
        (graph([llm("call", "!fail auth"), END], [RETRY, GIVE_UP]), "done"),
        (branches("all", *SLOWLY), "done"),
        (branches("quorum:2", *SLOWLY), "done"),
        (racing("race"), "done"),
        (racing("all"), "failed"),
        (graph([MAP, END], state_schema=WORDS), "done"),
        (graph([BEGIN, {"id": "nap", "kind": "sleep", "config": {"seconds": 0.1}}, END]), "done"),
        (graph([BEGIN, {"id": "nap", "kind": "sleep", "config": {"seconds": 0.01}}, END]), "done"),
        (graph([gate("g", timeout=0.2, on_timeout="goto:end"), BEGIN, END]), "done"),
        (graph([gate("g", timeout=0.2), END]), "failed"),
        (graph([BEGIN, {"id": "stop", "kind": "halt", "config": {"reason": "enough"}}]), "done"),
        (graph([BEGIN, END], [rule("r", "nope > 1", {"kind": "halt"})]), "failed"),
        (graph([BEGIN], [rule("r", "true", {"kind": "goto", "target": "begin"})], max_steps=3),
         "error"),
    ],
    ids=[
        "templates", "models", "schema", "a model's failure", "retry", "all", "quorum", "race",
        "a failing branch", "map", "suspended", "short sleep", "a timeout that leads on",
        "a timeout that ends", "halt", "a bad rule", "too many steps",
    ],
)  # fmt: skip
async def test_a_faithful_recording_replays_clean(harness, document, status):
    harness.add_document(document)

    run = await harness.run("go", graph_id="test")

    assert run.status == status, run.error
    await assert_clean(harness, run.id)


async def test_humans_answers_are_taken_from_the_recording(harness):
    agent = {
        "prompt": '!tool ask_human {"prompt": "Sure?"}\n!turn\n!say ok',
        "tools": ["ask_human"],
    }
    asked = rule("ask", {"node": "begin"}, {"kind": "interrupt", "prompt": "Rule?"})
    nodes = [BEGIN, gate("g"), {"id": "clerk", "kind": "agent", "config": agent}, END]
    harness.add_document(graph(nodes, [asked]))

    run_id = await harness.submit("go", graph_id="test")
    await assert_waiting_is_clean(harness, run_id, "Rule?")
    for prompt in ("Rule?", "g?", "Sure?"):
        await answer(harness, run_id, prompt)
    run = await until_end(harness, run_id)

    assert run.status == "done", run.error
    await assert_clean(harness, run_id)


async def assert_waiting_is_clean(harness, run_id: str, prompt: str) -> None:
    """A run that is not over replays as far as it has come."""
    await harness.until_asked(run_id, prompt)
    await assert_clean(harness, run_id)


async def test_branches_that_ask_and_sleep_replay_clean(harness):
    nap = {"id": "nap", "kind": "sleep", "config": {"seconds": 0.1}}
    harness.add_document(branches("all", gate("g"), nap, gate("h"), llm("m", "!say m")))

    run_id = await harness.submit("go", graph_id="test")
    for prompt in ("g?", "h?"):
        await answer(harness, run_id, prompt)
    run = await until_end(harness, run_id)

    assert run.status == "done", run.error
    await assert_clean(harness, run_id)


async def test_a_subgraph_replays_on_the_version_it_had(harness):
    config = {"graph": "inner", "inputs": {"goal": "goal"}, "outputs": {"said": "x"}}
    inner = graph([llm("m", "!say {{ goal }}"), gate("g"), text("t", "{m}!", "x")])
    harness.add_document(inner | {"id": "inner"})
    harness.add_document(graph([{"id": "sub", "kind": "subgraph", "config": config}, END]))

    run_id = await harness.submit("go", graph_id="test")
    await answer(harness, run_id, "g?")
    run = await until_end(harness, run_id)
    harness.add_document(graph([text("new", "new", "x")]) | {"id": "inner"})

    assert run.status == "done", run.error
    await assert_clean(harness, run_id)


async def test_tools_with_effects_are_not_called_and_artifacts_not_written_again(
    harness, register_tool
):
    charge, pure = Counted("charge", "external"), Counted("pure")
    for one in (charge, pure):
        register_tool(one.tool)
    script = "!tool charge {}\n!tool pure {}\n!turn\n!say done"
    agent = {"prompt": script, "tools": ["charge", "pure"]}
    keep = {"content_field": "begun", "name": "b.txt", "content_type": "text/plain"}
    nodes = [
        text("start", "{{ goal }}", "begun"),
        tool("pay", "charge"),
        {"id": "clerk", "kind": "agent", "config": agent},
        {"id": "keep", "kind": "write_artifact", "config": keep},
        tool("look", "pure"),
        END,
    ]
    harness.add_document(graph(nodes))
    run = await harness.run("go", graph_id="test")
    await in_database_thread(ArtifactRef.objects.filter(run_id=run.id).delete)
    before = charge.calls, pure.calls

    await assert_clean(harness, run.id)

    assert run.status == "done", run.error
    assert before == (2, 2)
    assert (charge.calls, pure.calls) == (2, 4)
    assert not await ArtifactRef.objects.filter(run_id=run.id).aexists()


async def test_a_fork_replays_clean(harness, register_tool):
    charge = Counted("charge", "external")
    register_tool(charge.tool)
    harness.add_document(graph([BEGIN, tool("pay", "charge"), gate("g"), END]))
    run_id = await harness.submit("go", graph_id="test")
    await answer(harness, run_id, "g?")
    parent = await until_end(harness, run_id)

    change = Mutation(state_overrides={"goal": "another"})
    fork = await in_database_thread(
        partial(fork_run, parent, step=0, mutation=change, caller=DAEMON)
    )
    child = await until_end(harness, fork.run_id)

    assert child.status == "done", child.error
    await assert_clean(harness, child.id)
    assert charge.calls == 1


async def test_a_pause_and_going_back_are_taken_from_the_recording(harness):
    nap = {"id": "nap", "kind": "sleep", "config": {"seconds": 600}}
    harness.add_document(graph([BEGIN, text("a", "a", "a"), nap, END]))
    run_id = await harness.submit("go", graph_id="test")
    await harness.until_event(run_id, "RunSuspended")
    await in_database_thread(pause_run, run_id=run_id, actor="me")
    await harness.until(run_id, lambda run: run.status == "paused")
    await in_database_thread(resume_run, run_id=run_id, actor="me", from_step=0)
    await harness.until_event(run_id, "RunSuspended", times=2)
    await assert_clean(harness, run_id)

    await in_database_thread(cancel_run, run_id=run_id, actor="me")

    await assert_clean(harness, run_id)


async def test_a_run_that_was_cancelled_among_its_branches_replays_clean(harness):
    slow = [llm(name, "!sleep 30\n!say late") for name in "ab"]
    harness.add_document(branches("all", *slow, llm("c", "!say soon")))
    run_id = await harness.submit("go", graph_id="test")
    await harness.until_event(run_id, "BranchFinished")

    await in_database_thread(cancel_run, run_id=run_id, actor="me")

    assert (await until_end(harness, run_id)).status == "cancelled"
    await assert_clean(harness, run_id)


@pytest.mark.parametrize(
    "limit", [{"max_output_tokens": 2}, {"max_wall_clock_ms": 60}], ids=["tokens", "clock"]
)
@pytest.mark.parametrize("whose", ["node", "run"])
async def test_a_budget_that_was_spent_is_spent_again(harness, limit, whose):
    config = {"prompt": "!sleep 0.3\n!usage 5 9\n!say many words here", "out": "x"}
    mine = {"budget": limit} if whose == "node" else {}
    node = {"id": "clerk", "kind": "agent", "config": {**config, **mine}}
    harness.add_document(graph([BEGIN, node, END]))

    options = {"budget": limit} if whose == "run" else {}
    run = await harness.run("go", graph_id="test", **options)

    assert (run.status, run.error_type) == ("failed", "budget")
    report = await harness.replay(run.id)
    assert report.divergence is None


@pytest.mark.parametrize("where", ["alone", "in a branch", "in a map", "in a subgraph", "an agent"])
async def test_an_edited_tool_diverges_at_its_outcome(harness, register_tool, where):
    oracle = Counted("oracle")
    register_tool(oracle.tool)
    node = tool("look", "oracle")
    inner = {"kind": "tool", "config": node["config"]}
    agent = {"prompt": "!tool oracle {}\n!turn\n!say ok", "tools": ["oracle"]}
    documents = {
        "alone": graph([BEGIN, node, END]),
        "in a branch": branches("all", llm("m", "!sleep 0.05\n!say m"), node),
        "in a map": graph(
            [{"id": "each", "kind": "map", "config": {"over": "items", "node": inner}}]
        ),
        "in a subgraph": graph(
            [{"id": "s", "kind": "subgraph", "config": {"graph": "inner"}}, END]
        ),
        "an agent": graph([{"id": "clerk", "kind": "agent", "config": agent}, END]),
    }
    harness.add_document(graph([node, END]) | {"id": "inner"})
    harness.add_document(documents[where])
    run = await harness.run("go", graph_id="test", inputs={"items": [1, 2]})
    recorded = next(
        event for event in await harness.events(run.id) if event.kind_name == "ToolCallCompleted"
    )
    oracle.answer = "no"

    divergence = (await harness.replay(run.id)).divergence

    assert run.status == "done", run.error
    assert divergence is not None
    assert (divergence.seq, divergence.reason_class) == (recorded.seq, "payload")
    assert divergence.reason == "different result"
    assert divergence.recorded["result"]["answer"] == "yes"
    assert divergence.produced["result"]["answer"] == "no"


async def test_a_tool_that_fails_now_diverges_where_it_did_not(harness, register_tool):
    oracle = Counted("oracle")
    register_tool(oracle.tool)
    harness.add_document(branches("race", llm("m", "!sleep 30\n!say m"), tool("look", "oracle")))
    run = await harness.run("go", graph_id="test")
    oracle.answer = ToolError("no more")

    divergence = (await harness.replay(run.id)).divergence

    assert divergence is not None
    assert divergence.reason_class == "kind"
    assert (divergence.expected_kind, divergence.kind) == ("ToolCallCompleted", "ToolCallFailed")
