"""Forks at every step: the same without a mutation, another way with one, no effect twice."""

from typing import Any

import pytest

from accounts.principals import DAEMON
from project.lib.pool import in_database_thread
from runs.log.prune import prune
from runs.models import Run
from runs.services.checkpoints import History, load_history
from runs.services.forking import fork_run
from runs.services.lifecycle import respond
from runs.services.mutations import Mutation
from runs.tools.base import Tool, ToolContext

pytestmark = pytest.mark.django_db(transaction=True)

SURE = {"sure": True}
ANSWERS = {"Publish?": {"decision": "approve"}, "Sure?": SURE}


def text(node_id: str, template: str, out: str) -> dict[str, Any]:
    return {"id": node_id, "kind": "template", "config": {"template": template, "out": out}}


def rule(rule_id: str, when: Any, *then: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": rule_id, "when": when, "then": list(then), **more}


def goto(target: str) -> dict[str, Any]:
    return {"kind": "goto", "target": target}


#: Its nodes with their steps in a run where both questions are approved.
STORY = {
    "ir_version": "1.1.0",
    "id": "story",
    "nodes": [
        text("begin", "about {goal}", "topic"),  # 0
        {"id": "write", "kind": "llm", "config": {"prompt": "!say {{ topic }}", "out": "draft"}},
        {
            "id": "review",  # 2
            "kind": "interrupt",
            "config": {"prompt": "Publish?", "output_field": "review"},
        },
        text("rejected", "no", "end"),
        {"id": "stop", "kind": "halt"},
        {
            "id": "book",  # 3 and 4: a rule has it done twice
            "kind": "tool",
            "config": {"tool": "book", "static": {"what": "{{ draft }}"}, "out": "receipt"},
        },
        text("left", "L", "left"),  # 5
        text("right", "R", "right"),
        text("join", "{left}{right}", "joined"),  # 6
        {"id": "flaky", "kind": "llm", "config": {"prompt": "!fail auth", "out": "flaky"}},  # 7
        text("fine", "fine", "note"),
        text("rescue", "{joined}!", "rescued"),  # 8; 9 is the question of a rule
        text("last", "{rescued} {receipt}", "end"),  # 10
        {"id": "halt", "kind": "halt"},  # 11
        text("never", "never", "end"),
    ],
    "rules": [
        rule("ok", "review.decision == 'approve'", goto("book"), node_id="review"),
        rule(
            "twice",
            "not has_fact('booked')",
            {"kind": "assert", "fact": "booked"},
            goto("book"),
            node_id="book",
        ),
        rule(
            "fan",
            "has_fact('booked')",
            {"kind": "parallel", "targets": ["left", "right"], "join": "join"},
            node_id="book",
        ),
        rule("unused", "false", goto("never")),
        rule("save", "attempts == 1", goto("rescue"), node_id="flaky", after="failure"),
        rule(
            "ask",
            {"node": "rescue"},
            {"kind": "interrupt", "prompt": "Sure?", "output_field": "sure"},
        ),
    ],
}
LAST_STEP = 11


class Booking:
    """A tool with an effect; its results are numbered."""

    def __init__(self) -> None:
        self.count = 0
        schema = {"type": "object", "properties": {"what": {"type": "string"}}}
        self.tool = Tool(
            "book", "books", schema, self._execute,
            namespace="tests", side_effects="external", idempotent=False,
        )  # fmt: skip

    async def _execute(self, arguments: dict[str, Any], context: ToolContext) -> Any:
        self.count += 1
        return f"receipt-{self.count}"


@pytest.fixture
def booking(register_tool) -> Booking:
    booking = Booking()
    register_tool(booking.tool)
    return booking


async def answered(harness, run_id: str) -> Run:
    """The run at its end, with every question answered."""
    while True:
        run: Run = await harness.until(
            run_id, lambda run: run.is_finished or run.status == "awaiting-input"
        )
        if run.is_finished:
            return run
        prompt = (await harness.events(run_id))[-1].data["prompt"]
        await in_database_thread(respond, run_id=run_id, response=ANSWERS[prompt], caller=DAEMON)


async def forked(harness, parent: Run, step: int, **mutation: Any) -> Run:
    """A fork at its end. It asks nobody: what it waits for was answered before."""
    fork = await in_database_thread(
        fork_run, parent, step=step, mutation=Mutation(**mutation), caller=DAEMON
    )
    run: Run = await harness.until(
        fork.run_id, lambda run: run.is_finished or run.status == "awaiting-input"
    )
    assert run.is_finished, f"the fork at {step} asks"
    assert (await harness.validate(fork.run_id)).is_valid
    return run


async def history(run: Run) -> History:
    return await in_database_thread(load_history, run)


async def steps(run: Run, since: int) -> list[tuple[Any, ...]]:
    """What a reader sees of each step from one on, except when it was."""
    found = []
    for view in (await history(run)).steps:
        if view.step >= since:
            taken = view.transition
            route = (taken.reason, taken.to_node, taken.rule_id, taken.targets) if taken else ()
            heads = [fact["head"] for fact in view.facts]
            found.append((view.step, view.state, heads, route))
    return found


async def story(harness) -> Run:
    harness.add_document(STORY)
    run = await answered(harness, await harness.submit("tea", graph_id="story"))
    assert (run.status, run.error, run.final_text) == ("done", "", "LR! receipt-2")
    assert (await history(run)).steps[-1].step == LAST_STEP
    return run


async def test_a_fork_without_a_mutation_does_what_its_parent_did(harness, booking):
    parent = await story(harness)
    log = [(event.hash, event.payload) for event in await harness.events(parent.id)]

    for step in range(LAST_STEP + 1):
        child = await forked(harness, parent, step)
        grandchild = await forked(harness, child, (step + LAST_STEP) // 2)
        again = await forked(harness, child, step)

        for fork in (child, grandchild, again):
            assert (fork.status, fork.error, fork.final_text) == ("done", "", parent.final_text)
            since = fork.fork_step or 0
            assert await steps(fork, since) == await steps(parent, since), step
    assert booking.count == 2
    assert [(event.hash, event.payload) for event in await harness.events(parent.id)] == log


REJECT, UNSURE = {"decision": "reject"}, {"sure": False}


@pytest.mark.parametrize(
    ("step", "mutation", "expected"),
    [
        (5, {"state_overrides": {"left": "X"}}, {"joined": "XR", "end": "XR! receipt-2"}),
        (6, {"node_output_overrides": {"join": "J"}}, {"joined": "J", "end": "J! receipt-2"}),
        (0, {"node_output_overrides": {"join": {"joined": "J"}}}, {"end": "J! receipt-2"}),
        (5, {"node_output_overrides": {"left": "X"}}, {"joined": "XR"}),
        (7, {"node_output_overrides": {"flaky": "well"}}, {"note": "fine", "flaky": "well"}),
        (6, {"node_output_overrides": {"rescue": "R"}}, {"end": "R receipt-2", "sure": SURE}),
        (2, {"respond_payloads": {"2": REJECT}}, {"review": REJECT, "end": "no"}),
        (0, {"respond_payloads": {"2": REJECT}}, {"review": REJECT, "end": "no"}),
        (9, {"respond_payloads": {"9": UNSURE}}, {"sure": UNSURE, "end": "LR! receipt-2"}),
        (7, {"respond_payloads": {"9": UNSURE}}, {"sure": UNSURE, "end": "LR! receipt-2"}),
        (3, {"facts_assert": [{"head": "booked"}]}, {"end": "LR! receipt-1"}),
        (4, {"facts_retract": [{"head": "booked"}]}, {"end": "LR! receipt-2"}),
        (11, {"node_output_overrides": {"halt": {}}}, {"end": "never"}),
    ],
)  # fmt: skip
async def test_a_mutation_leads_another_way(harness, booking, step, mutation, expected):
    parent = await story(harness)

    child = await forked(harness, parent, step, **mutation)
    grandchild = await forked(harness, child, step)

    for fork in (child, grandchild):
        state = (await history(fork)).at(None).state
        assert (fork.status, fork.error) == ("done", "")
        assert {name: state.get(name) for name in expected} == expected
    assert booking.count == 2


async def test_an_effect_that_the_parent_never_had_fails_loudly(harness, booking):
    parent = await story(harness)

    child = await forked(harness, parent, 2, state_overrides={"draft": "something else"})

    assert (child.status, child.error_type) == ("failed", "effect_in_fork")
    assert booking.count == 2


async def test_a_question_nobody_answered_before_is_asked(harness, booking):
    harness.add_document(STORY)
    run_id = await harness.submit("tea", graph_id="story")
    await harness.until_asked(run_id, "Publish?")
    parent = await harness.get(run_id)

    fork = await in_database_thread(fork_run, parent, step=1, mutation=Mutation(), caller=DAEMON)
    await harness.until_asked(fork.run_id, "Publish?")
    await in_database_thread(respond, run_id=fork.run_id, response=REJECT, caller=DAEMON)
    child = await harness.until(fork.run_id, lambda run: run.is_finished)

    assert child.final_text == "no"
    assert (await harness.get(run_id)).status == "awaiting-input"


async def test_a_fork_goes_on_when_its_parent_is_gone(harness, booking):
    parent = await story(harness)
    await harness.stop()
    fork = await in_database_thread(fork_run, parent, step=1, mutation=Mutation(), caller=DAEMON)
    await in_database_thread(lambda: list(prune([parent.id])))

    await harness.start_engine()
    child = await harness.until(fork.run_id, lambda run: run.is_finished)

    assert (child.status, child.final_text) == ("done", parent.final_text)
    assert booking.count == 2


TURNS = (
    '!tool book {"what": "a"}\n!turn\n!tool ask_human {"prompt": "Sure?"}\n!turn\n'
    '!tool book {"what": "a"}\n!turn\n!say all booked'
)


async def agent_run(harness) -> Run:
    harness.add_graph("booker", tools=["book", "ask_human"])
    return await answered(harness, await harness.submit(TURNS, graph_id="booker"))


async def test_an_agent_is_forked_at_each_of_its_turns(harness, booking):
    parent = await agent_run(harness)
    expected = (await history(parent)).at(None).state
    assert [view.step for view in (await history(parent)).steps] == [0, 1, 2, 3]

    for step in range(4):
        child = await forked(harness, parent, step)
        grandchild = await forked(harness, child, max(step, 2))

        for fork in (child, grandchild):
            assert (fork.status, fork.final_text) == ("done", "all booked")
            mine = (await history(fork)).at(None)
            assert mine.step == 3
            assert outcomes(mine.state) == outcomes(expected)
    assert booking.count == 2


async def test_an_agent_goes_on_with_another_goal_or_answer(harness, booking):
    parent = await agent_run(harness)
    asked_again = TURNS.replace("all booked", "another end")

    goal = await forked(harness, parent, 1, state_overrides={"goal": asked_again})
    own = await forked(harness, parent, 1, respond_payloads={"1": {"sure": False}})
    later = await forked(harness, parent, 0, respond_payloads={"1": {"sure": False}})

    assert (goal.final_text, goal.goal) == ("another end", asked_again)
    for fork in (own, later):
        assert {"response": {"sure": False}} in outcomes((await history(fork)).at(None).state)
    assert booking.count == 2


def outcomes(state: dict[str, Any]) -> list[Any]:
    """What the calls of a conversation came back with."""
    return [message["result"] for message in state["messages"] if message["role"] == "tool"]
