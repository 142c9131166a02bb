"""`GET /v1/approvals`: what waits, for whom, oldest first."""

import time

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from tests.factories import make_user
from tests.runs.approvals.waiting import FINANCE, ask
from tests.runs.inspector.logs import write_run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _an_admin(admin: User) -> None:
    """The server is not open."""


def ids(answer):
    return [item["run_id"] for item in answer.json()["items"]]


def test_everything_is_told_that_an_answer_needs(get):
    deadline_ns = 1_900_000_000 * 10**9
    run = ask(
        "Refund?",
        graph_id="refunds",
        creator=make_user(role="user"),
        path="2",
        node_id="gate",
        schema={"type": "object"},
        interrupt_payload={"order": 7},
        requested_capability=FINANCE,
        deadline_ns=deadline_ns,
        on_timeout="goto:reject",
    )

    [item] = get("/v1/approvals", role="responder").json()["items"]

    assert item.pop("age_ms") >= 0
    assert item.pop("requested_at").endswith("Z")
    assert item == {
        "run_id": run.id,
        "graph_id": "refunds",
        "node_id": "gate",
        "step": 2,
        "prompt": "Refund?",
        "interrupt_payload": {"order": 7},
        "schema": {"type": "object"},
        "requested_capability": FINANCE,
        "can_respond": False,
        "deadline": "2030-03-17T17:46:40Z",
        "on_timeout": "goto:reject",
        "started_by": run.actor,
    }


def test_the_oldest_question_comes_first_whenever_its_run_began(get):
    first, second, third = ask("1"), ask("2"), ask("3")
    write_run()  # has ended

    page = get("/v1/approvals?limit=2")
    rest = get("/v1/approvals?limit=2&offset=2")

    assert ids(page) == [first.id, second.id]
    assert page.json()["total"] == 3
    assert ids(rest) == [third.id]


def test_a_page_costs_the_same_however_many_runs_wait(get):
    long = "long " * 20_000  # kept outside of the log's table
    ask(long)
    get("/v1/approvals")  # the key is verified once

    with CaptureQueriesContext(connection) as for_one:
        get("/v1/approvals")
    for prompt in ("short", "short", long):
        ask(prompt)
    with CaptureQueriesContext(connection) as for_four:
        items = get("/v1/approvals").json()["items"]

    assert [item["prompt"] for item in items] == [long, "short", "short", long]
    assert len(for_four) == len(for_one)


def test_mine_is_what_the_caller_may_answer(get):
    anybody, finance = ask(), ask(requested_capability=FINANCE)
    everything = [anybody.id, finance.id]

    assert ids(get("/v1/approvals?mine=true", role="admin")) == everything
    assert ids(get("/v1/approvals?mine=true", role="responder")) == [anybody.id]
    assert ids(get("/v1/approvals?mine=true", role="viewer")) == []
    assert ids(get("/v1/approvals", role="viewer")) == everything
    assert get("/v1/approvals?mine=true&limit=1", role="admin").json()["total"] == 2


def test_who_sees_only_their_own_runs_is_asked_by_those_alone(get):
    person = make_user(role="user")
    mine = ask(creator=person)
    ask(creator=make_user(role="user"))

    answer = get("/v1/approvals", user=person)

    assert ids(answer) == [mine.id]
    assert answer.json()["items"][0]["can_respond"] is True


def test_one_graph_can_be_asked_for(get):
    ask(graph_id="deploys")
    refund = ask(graph_id="refunds")

    assert ids(get("/v1/approvals?graph_id=refunds")) == [refund.id]


def test_nobody_can_answer_what_is_overdue(get):
    ask(deadline_ns=time.time_ns() - 1)

    [item] = get("/v1/approvals", role="admin").json()["items"]

    assert item["can_respond"] is False
