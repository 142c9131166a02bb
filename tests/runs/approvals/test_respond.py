"""Who may answer a run, and until when."""

import time

import pytest
from django.test import Client

from accounts.models import User
from tests.factories import make_key, make_user
from tests.runs.approvals.waiting import FINANCE, answers, ask, facts

pytestmark = pytest.mark.django_db


def respond(client: Client, run, response=None, *, role="responder", **key):
    secret = make_key(role=role, **key).secret
    return client.post(
        f"/v1/runs/{run.id}/respond",
        {"response": response or {"decision": "approve"}},
        content_type="application/json",
        headers={"X-API-Key": secret},
    )


@pytest.fixture(autouse=True)
def _an_admin(admin: User) -> None:
    """The server is not open."""


def test_who_lacks_the_capability_that_the_run_asks_for_is_refused_on_record(client):
    run = ask(requested_capability=FINANCE)

    answer = respond(client, run)

    run.refresh_from_db()
    assert answer.status_code == 403
    assert answer.json()["detail"].startswith(f"capability '{FINANCE}' not granted under ")
    assert run.status == "awaiting-input"
    assert answers(run) == facts("respond", run) == []
    [denied] = facts("capability_denied", run)
    assert denied["capability"] == FINANCE


def test_an_admin_holds_every_capability_that_a_run_may_ask_for(client):
    run = ask(requested_capability=FINANCE)

    answer = respond(client, run, role="admin")

    assert answer.status_code == 200
    assert answers(run)[0]["response"] == {"decision": "approve"}
    assert [fact["capability"] for fact in facts("capability_granted", run)] == [FINANCE]


def test_a_limited_key_of_an_admin_holds_what_it_names_and_nothing_else(client):
    run = ask(requested_capability=FINANCE)

    answer = respond(client, run, role="admin", limited_to=["runs:respond", "runs:read"])

    assert answer.status_code == 403
    assert answers(run) == []


def test_a_capability_that_roles_hold_is_asked_for_like_any_other(client):
    run = ask(requested_capability="artifacts:read")

    assert respond(client, run).status_code == 200


def test_an_answer_after_the_deadline_is_refused_although_no_clock_has_rung(client):
    late = ask(deadline_ns=time.time_ns() - 1)
    in_time = ask(deadline_ns=time.time_ns() + 3600 * 10**9)

    refused = respond(client, late)
    accepted = respond(client, in_time)

    late.refresh_from_db()
    assert refused.status_code == 409
    assert refused.json() == {"detail": f"the time to answer run {late.id} is over"}
    assert (late.status, answers(late)) == ("awaiting-input", [])
    assert accepted.status_code == 200


def test_an_answer_names_the_execution_that_asked(client):
    run = ask(path="3:review.0", node_id="gate")

    respond(client, run)

    assert answers(run)[0]["path"] == "3:review.0"


def test_an_answer_and_its_two_records_happen_together_or_not_at_all(client):
    run = ask(schema={"type": "object", "required": ["amount"]})

    refused = respond(client, run, {"comment": "no amount"})
    before = [facts(kind, run) for kind in ("respond", "respond_orchestrated")]
    respond(client, run, {"amount": 3})

    assert refused.status_code == 422
    assert before == [[], []]
    assert len(facts("respond", run)) == len(facts("respond_orchestrated", run)) == 1
    assert "amount" not in str(facts("respond", run))


def test_who_may_not_see_a_run_does_not_learn_that_it_waits(client):
    run = ask(creator=make_user(role="user"))

    assert respond(client, run, role="user").status_code == 404
    assert answers(run) == []


@pytest.mark.parametrize(
    ("response", "location"),
    [
        ('{"n": 9223372036854775808}', ["body", "response", "n"]),
        ('{"n": [1e400]}', None),
        (r'{"n": "\ud800"}', None),
        (r'{"n": "\u0000"}', ["body", "response"]),
        ('{"n": ' + "[" * 24 + "]" * 24 + "}", ["body", "response"]),
    ],
)
def test_an_answer_that_no_log_can_hold_leaves_the_run_waiting(client, response, location):
    run = ask()
    key = make_key(role="admin").secret

    refused = client.post(
        f"/v1/runs/{run.id}/respond",
        f'{{"response": {response}}}',
        content_type="application/json",
        headers={"X-API-Key": key},
    )

    [item] = refused.json()["detail"]
    run.refresh_from_db()
    assert refused.status_code == 422
    assert item["loc"] == location if location else item["type"] == "json_invalid"
    assert (run.status, answers(run)) == ("awaiting-input", [])
