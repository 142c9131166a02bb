"""Graphs of several nodes: routing, branches, waits, limits and what the log says of them."""

from functools import partial
from typing import Any

import pytest

from accounts.principals import DAEMON
from project.lib.pool import in_database_thread
from runs.engine.graph.state import GraphState
from runs.errors import InvalidInput
from runs.graphs.registry import get_version
from runs.services.forking import fork_run
from runs.services.lifecycle import pause_run, respond, resume_run
from runs.services.mutations import Mutation


def graph(nodes: list[dict[str, Any]], rules: Any = (), **more: Any) -> dict[str, Any]:
    return {"ir_version": "1.1.0", "id": "test", "nodes": nodes, "rules": list(rules), **more}


def text(node_id: str, template: str, out: str) -> dict[str, Any]:
    return {"id": node_id, "kind": "template", "config": {"template": template, "out": out}}


def rule(rule_id: str, when: Any, *then: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": rule_id, "when": when, "then": list(then), **more}


async def fold(harness, run) -> GraphState:
    version = await in_database_thread(get_version, run.graph_id, run.version_hash)
    state = GraphState(version)
    for event in await harness.events(run.id):
        state.apply(event.typed(), event.ts)
    return state


async def run_graph(harness, document: dict[str, Any], goal: str = "go", **inputs: Any):
    harness.add_document(document)
    run = await harness.run(goal, graph_id=document["id"], inputs=inputs)
    return run, await fold(harness, run)


async def test_nodes_run_in_list_order_and_hand_on_the_state(harness):
    run, state = await run_graph(
        harness,
        graph([text("a", "{{ goal }}!", "x"), text("b", "{x} and {x}", "y")]),
        "hey",
    )

    assert run.status == "done"
    assert run.final_text == "hey! and hey!"
    assert state.state == {"goal": "hey", "x": "hey!", "y": "hey! and hey!"}
    assert (await harness.kinds(run.id)) == [
        "RunStarted",
        "NodeStarted",
        "NodeFinished",
        "StepCompleted",
        "NodeStarted",
        "NodeFinished",
        "StepCompleted",
        "RunCompleted",
    ]
    assert (await harness.validate(run.id)).is_valid


@pytest.mark.parametrize(
    ("score", "lang", "end"), [(0.9, "en", "yes"), (0.9, "de", "no"), (0.1, "en", "no")]
)
async def test_a_condition_over_the_state_routes(harness, score, lang, end):
    document = graph(
        [
            {"id": "a", "kind": "echo"},
            text("low", "no", "out"),
            {"id": "stop", "kind": "halt"},
            text("high", "yes", "out"),
        ],
        [
            rule(
                "r",
                "score >= 0.7 and lang == 'en'",
                {"kind": "goto", "target": "high"},
                node_id="a",
            )
        ],
        state_schema={"score": "float", "lang": "str"},
    )

    _, state = await run_graph(harness, document, score=score, lang=lang)

    assert state.state["out"] == end


async def test_the_sugar_of_a_condition_compares_by_text(harness):
    document = graph(
        [
            text("a", "x", "ignored"),
            text("no", "no", "out"),
            {"id": "stop", "kind": "halt"},
            text("yes", "yes", "out"),
        ],
        [rule("r", {"node": "a", "count": "3", "ok": True}, {"kind": "goto", "target": "yes"})],
    )

    _, state = await run_graph(harness, document, count=3, ok=True)

    assert state.state["out"] == "yes"


async def test_actions_of_one_tick_have_their_order(harness):
    document = graph(
        [text("a", "x", "x"), text("b", "y", "y"), text("c", "z", "z")],
        [
            rule("jump", {"node": "a"}, {"kind": "goto", "target": "c"}),
            rule("stop", {"node": "a"}, {"kind": "halt", "reason": "enough"}),
        ],
    )

    run, state = await run_graph(harness, document)

    assert run.status == "done"
    assert state.state == {"goal": "go", "x": "x"}
    assert (state.transition.reason, state.transition.rule_id) == ("halt", "stop")


async def test_facts_are_asserted_matched_and_retracted(harness):
    document = graph(
        [text("a", "1", "x"), text("b", "2", "x"), text("c", "3", "x")],
        [
            rule("note", {"node": "a"}, {"kind": "assert", "fact": "seen", "slots": '{"by": "a"}'}),
            rule(
                "use",
                "node == 'b' and has_fact('seen', by='a')",
                {"kind": "retract", "pattern": "seen"},
                {"kind": "assert", "fact": "used"},
            ),
        ],
    )

    _, state = await run_graph(harness, document)

    assert state.facts == [{"head": "used"}]


async def test_branches_of_all_are_merged(harness):
    document = graph(
        [
            {"id": "a", "kind": "echo"},
            text("b", "B", "b"),
            text("c", "C", "c"),
            text("d", "{b}{c}", "d"),
        ],
        [rule("r", {"node": "a"}, {"kind": "parallel", "targets": ["b", "c"], "join": "d"})],
    )

    run, state = await run_graph(harness, document)

    assert state.state["d"] == "BC"
    assert [item.transition.reason for item in state.checkpoints.values()] == [
        "parallel",
        "goto",
        "continue",
    ]
    kinds = await harness.kinds(run.id)
    assert kinds.count("BranchStarted") == kinds.count("BranchFinished") == 2


async def test_two_branches_that_write_one_field_fail_loudly(harness):
    document = graph(
        [
            {"id": "a", "kind": "echo"},
            text("b", "B", "x"),
            text("c", "C", "x"),
            {"id": "d", "kind": "echo"},
        ],
        [rule("r", {"node": "a"}, {"kind": "parallel", "targets": ["b", "c"], "join": "d"})],
    )

    run, _ = await run_graph(harness, document)

    assert (run.status, run.error_type) == ("failed", "merge_conflict")
    assert "'x'" in run.error


async def test_a_reducer_settles_what_branches_write(harness):
    document = graph(
        [
            {"id": "a", "kind": "echo"},
            text("b", "B", "x"),
            text("c", "C", "x"),
            {"id": "d", "kind": "echo"},
        ],
        [rule("r", {"node": "a"}, {"kind": "parallel", "targets": ["b", "c"], "join": "d"})],
        state_schema={"x": {"type": "str", "default": "", "reducer": "max"}},
    )

    _, state = await run_graph(harness, document)

    assert state.state["x"] == "C"


def racing(strategy: str) -> dict[str, Any]:
    slow = {
        "id": "slow",
        "kind": "llm",
        "config": {"prompt": "!sleep 60\n!say slow", "out": "slow"},
    }
    bad = {"id": "bad", "kind": "llm", "config": {"prompt": "!fail auth", "out": "bad"}}
    return graph(
        [
            {"id": "a", "kind": "echo"},
            bad,
            slow,
            text("fast", "fast", "fast"),
            text("end", "end", "end"),
        ],
        [
            rule(
                "r",
                {"node": "a"},
                {
                    "kind": "parallel",
                    "targets": ["bad", "slow", "fast"],
                    "join": "end",
                    "strategy": strategy,
                },
            )
        ],
    )


@pytest.mark.parametrize("strategy", ["any", "race", "quorum:1"])
async def test_the_first_success_wins_and_losers_are_cancelled(harness, strategy):
    run, state = await run_graph(harness, racing(strategy))

    assert run.status == "done"
    assert state.state == {"goal": "go", "fast": "fast", "end": "end"}
    outcomes = {
        event.data["branch_id"]: event.data["outcome"]
        for event in await harness.events(run.id)
        if event.kind_name == "BranchFinished"
    }
    assert outcomes["branch-1"] == "cancelled"
    assert outcomes["branch-2"] == "completed"


async def test_a_failing_branch_of_all_cancels_the_rest(harness):
    run, _ = await run_graph(harness, racing("all"))

    assert (run.status, run.error_type) == ("failed", "provider")


async def test_a_static_block_is_taken_where_flow_reaches_its_first_target(harness):
    document = graph(
        [
            {"id": "a", "kind": "echo"},
            text("b", "B", "b"),
            text("c", "C", "c"),
            text("d", "{b}{c}", "d"),
        ],
        parallel=[{"targets": ["b", "c"], "join": "d"}],
    )

    _, state = await run_graph(harness, document)

    assert state.state["d"] == "BC"


async def test_a_failure_is_retried_with_backoff_and_then_given_up(harness):
    document = graph(
        [{"id": "call", "kind": "llm", "config": {"prompt": "!fail auth"}}],
        [
            rule(
                "again",
                "true",
                {"kind": "retry", "target": "call", "backoff_ms": 1, "max_attempts": 3},
                after="failure",
            )
        ],
    )

    run, _ = await run_graph(harness, document)

    assert (run.status, run.error_type) == ("failed", "provider")
    assert (await harness.kinds(run.id)).count("NodeFailed") == 3


async def test_a_rule_may_take_care_of_a_failure(harness):
    document = graph(
        [
            {"id": "call", "kind": "llm", "config": {"prompt": "!fail auth"}},
            {"id": "stop", "kind": "halt"},
            text("sorry", "failed: {error_seen}", "out"),
        ],
        [
            rule(
                "caught",
                "error_type == 'provider'",
                {"kind": "goto", "target": "sorry"},
                after="failure",
                node_id="call",
            )
        ],
        state_schema={"error_seen": {"type": "str", "default": "yes"}},
    )

    run, state = await run_graph(harness, document)

    assert run.status == "done"
    assert state.state["out"] == "failed: yes"


async def test_a_graph_without_end_is_stopped(harness):
    document = graph(
        [text("a", "x", "x")],
        [rule("loop", {"node": "a"}, {"kind": "goto", "target": "a"})],
        max_steps=20,
    )

    run, state = await run_graph(harness, document)

    assert (run.status, run.error_type) == ("error", "max_steps")
    assert max(state.checkpoints) == 19


async def test_a_map_runs_its_node_for_each_item_in_order(harness):
    document = graph(
        [
            {
                "id": "each",
                "kind": "map",
                "config": {
                    "over": "words",
                    "as": "word",
                    "out": "loud",
                    "max_parallel": 2,
                    "node": {
                        "kind": "llm",
                        "config": {"prompt": "!say {{ word | upper }} {{ index }}"},
                    },
                },
            },
        ],
        state_schema={"words": "list"},
    )

    _, state = await run_graph(harness, document, words=["a", "b", "c"])

    assert state.state["loud"] == ["A 0", "B 1", "C 2"]


async def test_a_subgraph_has_a_state_of_its_own(harness):
    inner = graph([text("one", "{{ goal }}/1", "x"), text("two", "{x}/2", "y")]) | {"id": "inner"}
    outer = graph(
        [
            {
                "id": "sub",
                "kind": "subgraph",
                "config": {
                    "graph": "inner",
                    "inputs": {"goal": "start"},
                    "outputs": {"result": "y"},
                },
            },
            text("end", "{result}!", "end"),
        ],
        state_schema={"start": "str"},
    )
    harness.add_document(inner)

    run, state = await run_graph(harness, outer, start="s")

    assert state.state == {"goal": "go", "start": "s", "result": "s/1/2", "end": "s/1/2!"}
    paths = [e.data["path"] for e in await harness.events(run.id) if e.kind_name == "NodeStarted"]
    assert paths == ["0", "0:sub.0", "0:sub.1", "1"]


async def test_a_tool_node_takes_fields_and_templates(harness):
    document = graph(
        [
            {
                "id": "sum",
                "kind": "tool",
                "config": {
                    "tool": "calculate",
                    "static": {"expression": "{{ a }} * {{ b }}"},
                    "out": "product",
                },
            }
        ],
        state_schema={"a": "int", "b": "int"},
    )

    run, state = await run_graph(harness, document, a=6, b=7)

    assert "42" in str(state.state["product"])
    kinds = await harness.kinds(run.id)
    assert kinds[1:5] == ["NodeStarted", "ToolCallScheduled", "ToolCallCompleted", "NodeFinished"]


def classify(prompt: str) -> dict[str, Any]:
    return {
        "id": "label",
        "kind": "classify",
        "config": {"input": prompt + "{{ '' }}", "labels": ["spam", "ham"]},
    }


async def test_a_fitting_answer_in_json_becomes_state_fields(harness):
    run, state = await run_graph(
        harness, graph([classify('!say {"verdict": "spam", "confidence": 0.9}')])
    )

    assert run.status == "done", run.error
    assert (state.state["verdict"], state.state["confidence"]) == ("spam", 0.9)


async def test_a_model_that_never_answers_in_json_is_asked_again_and_given_up(harness):
    run, _ = await run_graph(harness, graph([classify("!say no json")]))

    assert (run.status, run.error_type, run.turn_count) == ("failed", "output", 3)
    corrections = [e for e in await harness.events(run.id) if e.kind_name == "UserMessageAppended"]
    assert len(corrections) == 2
    assert "JSON" in corrections[0].data["content"]


async def test_two_agents_side_by_side_keep_their_turns_apart(harness):
    def agent(node_id: str) -> dict[str, Any]:
        prompt = f'!tool calculate {{"expression": "1+1"}}\n!turn\n!say {node_id}'
        return {
            "id": node_id,
            "kind": "agent",
            "config": {
                "prompt": "{% raw %}" + prompt + "{% endraw %}",
                "tools": ["calculate"],
                "out": node_id,
            },
        }

    document = graph(
        [{"id": "a", "kind": "echo"}, agent("left"), agent("right"), {"id": "end", "kind": "echo"}],
        [
            rule(
                "r",
                {"node": "a"},
                {"kind": "parallel", "targets": ["left", "right"], "join": "end"},
            )
        ],
    )

    run, state = await run_graph(harness, document)

    assert run.status == "done", run.error
    assert (state.state["left"], state.state["right"]) == ("left", "right")
    assert run.tool_call_count == 2


async def test_a_timer_holds_no_worker_and_the_run_goes_on(harness):
    document = graph(
        [{"id": "nap", "kind": "sleep", "config": {"seconds": 0.3}}, text("up", "up", "out")]
    )
    harness.add_document(document)

    run_id = await harness.submit("go", graph_id="test")
    asleep = await harness.until(run_id, lambda run: run.wake_ns is not None)
    run = await harness.until(run_id, lambda run: run.is_finished)

    assert (asleep.status, asleep.lease_token, asleep.lease_expires_at) == ("running", "", None)
    assert run.status == "done"
    assert run.wake_ns is None
    assert "RunResumed" not in await harness.kinds(run_id)


async def test_a_gate_waits_without_a_worker_and_its_answer_is_routed_on(harness):
    document = graph(
        [
            {
                "id": "gate",
                "kind": "interrupt",
                "config": {"prompt": "Ship {{ goal }}?", "output_field": "review"},
            },
            text("no", "rejected", "out"),
            {"id": "stop", "kind": "halt"},
            text("yes", "shipped", "out"),
        ],
        [
            rule(
                "ok",
                "review.decision == 'approve'",
                {"kind": "goto", "target": "yes"},
                node_id="gate",
            )
        ],
    )
    harness.add_document(document)

    run_id = await harness.submit("it", graph_id="test")
    waiting = await harness.until(run_id, lambda run: run.status == "awaiting-input")
    asked = (await harness.events(run_id))[-1].data
    answer = {"decision": "approve"}
    await in_database_thread(respond, run_id=run_id, response=answer, caller=DAEMON)
    run = await harness.until(run_id, lambda run: run.is_finished)
    state = await fold(harness, run)

    assert waiting.lease_token == ""
    assert (asked["prompt"], asked["node_id"], asked["path"]) == ("Ship it?", "gate", "0")
    assert state.state["out"] == "shipped"
    [evidence] = state.facts
    assert (evidence["head"], evidence["source"]) == ("stargraph.evidence", "daemon")


async def test_a_rule_may_ask_a_human_too(harness):
    document = graph(
        [text("a", "x", "x"), text("b", "{x}", "y")],
        [
            rule(
                "ask",
                {"node": "a"},
                {"kind": "interrupt", "prompt": "Sure?", "output_field": "sure"},
            )
        ],
    )
    harness.add_document(document)

    run_id = await harness.submit("go", graph_id="test")
    await harness.until(run_id, lambda run: run.status == "awaiting-input")
    await in_database_thread(respond, run_id=run_id, response={"ok": 1}, caller=DAEMON)
    run = await harness.until(run_id, lambda run: run.is_finished)
    state = await fold(harness, run)

    assert run.status == "done"
    assert (state.state["sure"], state.state["y"]) == ({"ok": 1}, "x")


@pytest.mark.parametrize(
    ("on_timeout", "status", "out"), [("halt", "failed", None), ("goto:late", "done", "late")]
)
async def test_a_deadline_passes_by_itself(harness, on_timeout, status, out):
    document = graph(
        [
            {
                "id": "gate",
                "kind": "interrupt",
                "config": {"prompt": "?", "timeout": 0.2, "on_timeout": on_timeout},
            },
            text("answered", "answered", "out"),
            {"id": "stop", "kind": "halt"},
            text("late", "late", "out"),
        ],
        [rule("never", "false", {"kind": "goto", "target": "late"})],
    )

    run, state = await run_graph(harness, document)

    assert run.status == status
    assert state.state.get("out") == out
    if status == "failed":
        assert run.error_type == "interrupt_timeout"
        assert run.error == "interrupt timed out after 0:00:00.200000; on_timeout=halt"


async def test_an_agent_among_nodes_may_ask_a_human(harness):
    agent = {"id": "ask", "kind": "agent", "config": {"tools": ["ask_human"], "out": "said"}}
    document = graph([agent, text("end", "{said}!", "out")])
    harness.add_document(document)

    run_id = await harness.submit(
        '!tool ask_human {"prompt": "Name?"}\n!turn\n!say thanks', graph_id="test"
    )
    await harness.until(run_id, lambda run: run.status == "awaiting-input")
    await in_database_thread(respond, run_id=run_id, response={"answer": "Ada"}, caller=DAEMON)
    run = await harness.until(run_id, lambda run: run.is_finished)
    state = await fold(harness, run)

    assert run.status == "done", run.error
    assert state.state["out"] == "thanks!"


async def test_two_gates_side_by_side_are_asked_one_after_the_other(harness):
    def gate(node_id: str) -> dict[str, Any]:
        return {
            "id": node_id,
            "kind": "interrupt",
            "config": {"prompt": node_id, "output_field": node_id},
        }

    document = graph(
        [{"id": "a", "kind": "echo"}, gate("left"), gate("right"), {"id": "end", "kind": "echo"}],
        [
            rule(
                "r",
                {"node": "a"},
                {"kind": "parallel", "targets": ["left", "right"], "join": "end"},
            )
        ],
    )
    harness.add_document(document)

    run_id = await harness.submit("go", graph_id="test")
    for gate_id in ("left", "right"):
        await harness.until_asked(run_id, gate_id)
        await in_database_thread(respond, run_id=run_id, response={"to": gate_id}, caller=DAEMON)
    run = await harness.until(run_id, lambda run: run.is_finished)
    state = await fold(harness, run)

    assert (state.state["left"], state.state["right"]) == ({"to": "left"}, {"to": "right"})


async def test_routing_sees_a_secret_as_the_log_does(harness):
    secret = "sp_live_" + "ab12" * 10
    document = graph(
        [text("a", "key {{ goal }}", "x"), text("b", "clean", "y")],
        [
            rule(
                "leak",
                {"node": "a", "x": f"key {secret}"},
                {"kind": "halt", "reason": "the raw text was matched"},
            )
        ],
    )

    _, state = await run_graph(harness, document, secret)

    assert state.state["x"] == "key [redacted]"
    assert state.state["y"] == "clean"


async def test_time_asleep_does_not_count_as_work(harness):
    document = graph(
        [
            {"id": "nap", "kind": "sleep", "config": {"seconds": 1.5}},
            text("up", "up", "out"),
        ]
    )
    harness.add_document(document)

    run = await harness.run("go", graph_id="test", budget={"max_wall_clock_ms": 1_000})

    assert run.status == "done", run.error


async def test_a_pause_of_a_run_that_is_about_to_sleep_is_not_slept_through(harness):
    document = graph(
        [
            {"id": "a", "kind": "echo"},
            {"id": "slow", "kind": "llm", "config": {"prompt": "!sleep 0.5\n!say slow"}},
            {"id": "nap", "kind": "sleep", "config": {"seconds": 600}},
            {"id": "end", "kind": "echo"},
        ],
        [rule("r", {"node": "a"}, {"kind": "parallel", "targets": ["slow", "nap"], "join": "end"})],
    )
    harness.add_document(document)

    run_id = await harness.submit("go", graph_id="test")
    await harness.until_event(run_id, "TurnStarted")
    await in_database_thread(pause_run, run_id=run_id, actor="me")
    run = await harness.until(run_id, lambda run: run.status == "paused")

    assert run.lease_token == ""
    assert (await harness.kinds(run_id)).count("RunPaused") == 1


async def test_what_cannot_be_compared_fails_the_run_and_nothing_else(harness):
    def value(node_id: str, template: str) -> dict[str, Any]:
        config = {"tool": "calculate", "static": {"expression": template}, "out": "x"}
        return {"id": node_id, "kind": "tool", "config": config}

    document = graph(
        [
            {"id": "a", "kind": "echo"},
            value("b", "1"),
            value("c", "2"),
            {"id": "d", "kind": "echo"},
        ],
        [rule("r", {"node": "a"}, {"kind": "parallel", "targets": ["b", "c"], "join": "d"})],
        state_schema={"x": {"type": "dict", "default": {}, "reducer": "max"}},
    )

    run, _ = await run_graph(harness, document)

    assert (run.status, run.error_type) == ("failed", "merge_conflict")


async def test_an_integer_that_the_log_cannot_hold_is_refused_at_the_door(harness):
    harness.add_document(graph([{"id": "a", "kind": "echo"}], state_schema={"n": "int"}))

    with pytest.raises(InvalidInput, match="inputs: integers must fit into 64 bits"):
        await harness.submit("go", graph_id="test", inputs={"n": 2**63 + 5})


async def test_a_subgraph_that_has_begun_keeps_its_version(harness):
    gate = {"id": "gate", "kind": "interrupt", "config": {"prompt": "?"}}
    inner = graph([gate, text("old", "old", "word")]) | {"id": "inner"}
    config = {"graph": "inner", "outputs": {"said": "word"}}
    harness.add_document(inner)
    harness.add_document(graph([{"id": "sub", "kind": "subgraph", "config": config}]))

    run_id = await harness.submit("go", graph_id="test")
    await harness.until_asked(run_id, "?")
    harness.add_document(graph([text("new", "new", "word")]) | {"id": "inner"})
    await in_database_thread(respond, run_id=run_id, response={}, caller=DAEMON)
    run = await harness.until(run_id, lambda run: run.is_finished)
    state = await fold(harness, run)
    _, later = await run_graph(
        harness, graph([{"id": "sub", "kind": "subgraph", "config": config}])
    )

    assert run.status == "done", run.error
    assert state.state["said"] == "old"
    assert later.state["said"] == "new"


async def test_a_run_and_its_forks_keep_the_version_of_a_subgraph_also_when_it_begins_anew(harness):
    config = {"graph": "inner", "outputs": {"said": "word"}}
    document = graph(
        [
            text("begin", "b", "begun"),
            {"id": "sub", "kind": "subgraph", "config": config},
            {"id": "nap", "kind": "sleep", "config": {"seconds": 600}},
            {"id": "again", "kind": "subgraph", "config": config},
        ]
    )
    harness.add_document(graph([text("old", "old", "word")]) | {"id": "inner"})
    harness.add_document(document)

    run_id = await harness.submit("go", graph_id="test")
    await harness.until_event(run_id, "RunSuspended")
    harness.add_document(graph([text("new", "new", "word")]) | {"id": "inner"})
    await in_database_thread(pause_run, run_id=run_id, actor="me")
    await harness.until(run_id, lambda run: run.status == "paused")
    await in_database_thread(resume_run, run_id=run_id, actor="me", from_step=0)
    await harness.until_event(run_id, "TimerSet", times=2)
    parent = await harness.get(run_id)
    overrides = Mutation(node_output_overrides={"nap": {}})
    fork = await in_database_thread(
        partial(fork_run, parent, step=0, mutation=overrides, caller=DAEMON)
    )
    child = await harness.until(fork.run_id, lambda run: run.is_finished)

    versions = [await subgraph_versions(harness, one) for one in (run_id, child.id)]
    assert child.status == "done", child.error
    assert (await fold(harness, child)).state["said"] == "old"
    assert [len(found) for found in versions] == [2, 2]
    assert len({*versions[0], *versions[1]}) == 1


async def subgraph_versions(harness, run_id: str) -> list[str]:
    """Of each execution of a subgraph, the version that it ran."""
    started = [e.data for e in await harness.events(run_id) if e.kind_name == "NodeStarted"]
    return [data["graph_hash"] for data in started if data["node_kind"] == "subgraph"]
