"""Where a run of a graph is, on its page."""

import re

import pytest

from runs.event_types import (
    InputRequested,
    NodeFailed,
    NodeFinished,
    NodeStarted,
    RunStarted,
    StepCompleted,
)
from runs.graphs.registry import get_graph
from tests.runs.inspector.logs import change, write_run

pytestmark = pytest.mark.django_db

STARTED = RunStarted(1, "goal", "scripted", "scripted", "v0", graph_id="approval")
DRAFTED = [
    NodeStarted(0, "0", "draft", "llm"),
    NodeFinished(0, "0", "draft", {"draft": "<b>Hello"}, 5),
    StepCompleted(0, "draft", "gate", "", "continue"),
]
ASKED = [
    NodeStarted(1, "1", "gate", "interrupt"),
    InputRequested("Publish?", path="1", node_id="gate"),
]
REJECTED = [
    NodeStarted(1, "1", "gate", "interrupt"),
    NodeFinished(1, "1", "gate", {"review": {"decision": "reject"}}, 5),
    StepCompleted(1, "gate", "note", "rejected", "goto"),
    NodeStarted(2, "2", "note", "template"),
    NodeFinished(2, "2", "note", {"comment": ""}, 5),
    StepCompleted(2, "note", "draft", "again", "goto"),
    NodeStarted(3, "3", "draft", "llm"),
]


@pytest.fixture(params=["inspect", "admin"])
def show(request, get, admin_client):
    """The page of a run, from each of the places where it stands."""

    def show(run):
        if request.param == "inspect":
            return get(f"/inspect/run/{run.id}")
        return admin_client.get(f"/admin/runs/run/{run.id}/change/")

    return show


def run_of_approval(*events, end=""):
    version = get_graph("approval").hash
    return write_run([STARTED, *events], end=end, graph_id="approval", graph_hash=version)


def states_on(response):
    """The state of each node that has one, and its badge."""
    found = re.findall(
        r'<g class="node [a-z]+ ([a-z]+)" data-node="([^"]*)">.*?</g>\s*(?=<g class="node|</svg>)',
        response.content.decode(),
        re.S,
    )
    return {node: state for state, node in found}


def test_the_question_that_a_run_waits_for_is_marked(show):
    page = show(run_of_approval(*DRAFTED, *ASKED))

    assert states_on(page) == {"draft": "done", "gate": "waiting"}
    assert ">waits</text>" in page.content.decode()


def test_a_loop_counts_and_the_way_that_was_gone_is_marked(show):
    page = show(run_of_approval(*DRAFTED, *REJECTED))

    assert states_on(page) == {"draft": "current", "gate": "done", "note": "done"}
    taken = re.findall(r'<g class="edge [a-z-]+ taken"><title>([^<]*)<', page.content.decode())
    assert set(taken) == {
        "the start to draft in list order",
        "draft to gate in list order",
        "gate to note by rule rejected",
        "note to draft by rule again",
    }


def test_the_node_that_failed_is_marked(show):
    failed = NodeFailed(0, "0", "draft", "no model", "provider", 3)
    page = show(run_of_approval(DRAFTED[0], failed, end="failed"))

    assert states_on(page) == {"draft": "failed"}


def test_the_node_a_cancelled_run_stopped_in_is_marked(show):
    assert states_on(show(run_of_approval(DRAFTED[0], end="cancelled"))) == {"draft": "stopped"}


def test_a_run_that_has_not_begun_a_node_shows_which_comes_next(show):
    assert states_on(show(run_of_approval(*DRAFTED))) == {"draft": "done", "gate": "next"}


def test_steps_are_listed_with_their_reason_and_what_they_changed(show, text_of):
    page = show(run_of_approval(*DRAFTED, *REJECTED))

    text = text_of(page)
    assert "step 1 gate → note goto by rule rejected" in text
    assert 'step 0 draft → gate in list order { "draft" : "<b>Hello" }' in text
    assert "<b>Hello" not in page.content.decode()


def test_what_happens_in_a_branch_is_set_apart_in_the_timeline(show):
    inner = NodeStarted(0, "0:branch-1", "draft", "llm")

    page = show(run_of_approval(inner)).content.decode()

    assert re.search(r'<li class="event-row step inner" data-seq="2"', page)


def test_a_run_of_one_agent_has_no_drawing(show):
    assert b'data-part="trace"' not in show(write_run()).content


@pytest.mark.parametrize(
    ("column", "value"), [("payload", b"\x01"), ("kind", 99), ("payload", None)]
)
def test_a_mangled_log_leaves_the_drawing(show, column, value):
    run = run_of_approval(*DRAFTED, *ASKED)
    change(run, 4, column, value)

    page = show(run)

    assert page.status_code == 200
    assert b'data-node="gate"' in page.content


def test_the_live_fragment_brings_the_drawing_when_the_run_moved(get):
    run = run_of_approval(*DRAFTED, *ASKED)

    fresh = get(f"/inspect/run/{run.id}/live?after=3")
    nothing = get(f"/inspect/run/{run.id}/live?after=6")

    assert states_on(fresh) == {"draft": "done", "gate": "waiting"}
    assert b'data-part="trace"' not in nothing.content
