"""The inbox in the admin, as a browser without scripts uses it."""

import time

import pytest
from django.test import Client

from accounts.services.api_keys import issue_key
from runs.event_types import InputReceived, InputRequested, NodeFinished
from runs.services.lifecycle import cancel_run
from tests.factories import make_user
from tests.runs.approvals.waiting import FINANCE, answers, ask, facts
from tests.runs.inspector.logs import STARTED, write_run

pytestmark = pytest.mark.django_db

LIST = "/admin/approvals/"
FORM = {
    "type": "object",
    "required": ["decision", "amount", "region", "notify", "tags"],
    "properties": {
        "decision": {"enum": ["approve", "reject"]},
        "amount": {
            "type": "number",
            "title": "Amount",
            "minimum": 0,
            "maximum": 500,
            "default": 20,
        },
        "region": {"enum": ["eu", 2], "description": "Where it is paid"},
        "notify": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "code": {"type": "string", "pattern": "^[A-Z]+$"},
    },
}
FILLED = {
    "decided": "approve",
    "field0": "120",
    "field1": "2",
    "field3": "urgent\r\n\r\n legal ",
    "field4": "ABC",
}


def page_of(run):
    return f"{LIST}{run.id}/"


def send(client, run, *, seq=0, **fields):
    run.refresh_from_db()
    return client.post(page_of(run), {"seq": seq or run.head_seq, **fields})


def test_the_list_shows_what_waits_and_the_sidebar_how_much(admin_client, text_of):
    run = ask("Refund order 7?", graph_id="refunds", creator=make_user(display_name="Olga"))
    ask(requested_capability=FINANCE)

    listing = text_of(admin_client.get(LIST))
    elsewhere = text_of(admin_client.get("/admin/accounts/user/"))

    assert "Refund order 7? moments refunds started by Olga " + run.id in listing
    assert FINANCE in listing
    assert "Approvals 2" in elsewhere


def test_the_page_shows_the_question_and_what_led_to_it(admin_client, text_of):
    run = write_run(_log_of_a_graph(), end="", goal="Pay back order 7")

    page = text_of(admin_client.get(page_of(run)))

    assert "Refund?" in page
    assert "Pay back order 7" in page
    assert '"customer" : "Ada"' in page  # what the graph tells its human
    assert '"risk" : 3' in page  # what a node put out
    assert "then it goes on at reject" in page


def _log_of_a_graph():
    return [
        STARTED,
        NodeFinished(0, "0", "assess", {"risk": 3}, 5),
        InputRequested(
            "Refund?",
            node_id="gate",
            path="1",
            interrupt_payload={"customer": "Ada"},
            deadline_ns=time.time_ns() + 3600 * 10**9,
            on_timeout="goto:reject",
        ),
    ]


def test_a_filled_form_is_one_answer_with_the_types_of_the_schema(admin_client, admin):
    run = ask(schema=FORM)

    response = send(admin_client, run, **FILLED)

    assert response.status_code == 302
    assert response.headers["Location"] == LIST
    [answer] = answers(run)
    assert answer["actor"] == admin.pk
    assert answer["response"] == {
        "decision": "approve",
        "amount": 120,
        "region": 2,
        "notify": False,
        "tags": ["urgent", "legal"],
        "code": "ABC",
    }
    assert [fact["actor"] for fact in facts("respond", run)] == [admin.pk]


def test_wrong_values_are_named_at_their_fields_and_kept(admin_client):
    run = ask(schema=FORM)

    wrong = {"field0": "9000", "field1": "", "field4": "not capital"}
    response = send(admin_client, run, **{**FILLED, **wrong})

    form = response.context["form"]
    assert response.status_code == 200
    assert set(form.errors) == {"field0", "field1", "field4"}
    assert 'value="9000"' in response.content.decode()
    assert answers(run) == []


def test_what_only_the_whole_schema_knows_is_told_as_well(admin_client):
    rule = {"dependentRequired": {"amount": ["code"]}}
    run = ask(schema={**FORM, **rule})

    response = send(admin_client, run, **{**FILLED, "field4": ""})

    assert response.status_code == 200
    assert "&#x27;code&#x27; is a dependency of &#x27;amount&#x27;" in response.content.decode()


def test_a_form_with_a_decision_is_not_sent_without_one(admin_client):
    run = ask(schema=FORM)

    response = send(admin_client, run, **{**FILLED, "decided": ""})

    assert response.status_code == 200
    assert answers(run) == []


def test_without_a_schema_there_are_two_buttons_and_a_comment(admin_client):
    run = ask()

    send(admin_client, run, decided="reject", field0="Not on a Friday")

    assert answers(run)[0]["response"] == {"decision": "reject", "comment": "Not on a Friday"}


def test_json_can_be_written_where_no_form_says_better(admin_client):
    run = ask()

    wrong = send(admin_client, run, send_json="1", json='{"plan": ')
    send(admin_client, run, send_json="1", json='{"plan": [1, {"a": null}]}')

    assert wrong.status_code == 200
    assert "This is no JSON: line 1, column 9." in wrong.content.decode()
    assert answers(run)[0]["response"] == {"plan": [1, {"a": None}]}


def test_open_questions_are_answered_by_their_slots(admin_client):
    listed = [{"slot": "name", "prompt": "Whose?"}, {"slot": "n", "schema": {"type": "integer"}}]
    run = ask(interrupt_payload={"open_questions": listed})

    assert "Whose?" in admin_client.get(page_of(run)).content.decode()
    send(admin_client, run, field0="Ada's", field1="3")

    assert answers(run)[0]["response"] == {"name": "Ada's", "n": 3}


def test_who_comes_second_is_told_so_and_loses_nothing(admin_client, text_of):
    run = ask()
    seq = run.head_seq
    send(admin_client, run, decided="approve", field0="first")

    response = send(admin_client, run, seq=seq, decided="reject", field0="my long thoughts")

    assert response.status_code == 409
    assert "has answered this already" in text_of(response)
    assert "my long thoughts" in text_of(response)
    assert [answer["response"]["comment"] for answer in answers(run)] == ["first"]


def test_an_answer_goes_to_the_question_that_was_read_and_to_no_later_one(admin_client, text_of):
    exchange = [InputRequested("First?"), InputReceived("yes", "olga"), InputRequested("Second?")]
    run = write_run([STARTED, *exchange], end="")

    response = send(admin_client, run, seq=2, decided="approve")

    assert response.status_code == 409
    assert "First?" in text_of(response)
    assert "olga has answered this already" in text_of(response)
    assert "The run asks something else now" in text_of(response)
    assert len(answers(run)) == 1


def test_a_run_that_was_cancelled_meanwhile_says_so(admin_client, text_of):
    run = ask()
    cancel_run(run_id=run.id, actor="test")

    assert "The run was cancelled" in text_of(admin_client.get(page_of(run)))


def test_overdue_is_said_and_not_answered(admin_client, text_of):
    run = ask(deadline_ns=time.time_ns() - 1)

    response = send(admin_client, run, decided="approve")

    assert response.status_code == 409
    assert "The time to answer is over." in text_of(response)
    assert answers(run) == []


@pytest.mark.parametrize("held", [["runs:read"], ["runs:read", "runs:respond"]])
def test_who_may_not_answer_reads_the_page_without_buttons(admin_client, admin, held):
    run = ask(requested_capability=FINANCE)
    headers = {"X-API-Key": issue_key(user_id=admin.pk, actor="test", limited_to=held).secret}

    page = admin_client.get(page_of(run), headers=headers)
    sent = admin_client.post(
        page_of(run), {"seq": run.head_seq, "decided": "approve"}, headers=headers
    )

    missing = FINANCE if "runs:respond" in held else "runs:respond"
    assert page.status_code == 200
    assert missing in page.content.decode()
    assert 'value="approve"' not in page.content.decode()
    assert sent.status_code == 403
    assert answers(run) == []


def test_another_sites_form_answers_nothing(admin):
    run = ask()
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(admin)

    response = browser.post(page_of(run), {"seq": run.head_seq, "decided": "approve"})

    assert response.status_code == 403
    assert answers(run) == []


def test_the_pages_want_an_admins_login(client, owner):
    run = ask()
    client.force_login(owner)

    for path in (LIST, page_of(run)):
        assert client.get(path).headers["Location"].startswith("/admin/login/")


def test_a_waiting_run_leads_to_its_question(admin_client, get):
    run = ask()

    page = admin_client.get(f"/admin/runs/run/{run.id}/change/").content.decode()
    live = admin_client.get(f"/inspect/run/{run.id}/live").content.decode()
    answered = admin_client.get(f"/admin/runs/run/{write_run().id}/change/").content.decode()

    link = f'href="{page_of(run)}"'
    assert link in page
    assert link in live
    assert 'class="answer"' not in answered
    assert link not in get(f"/inspect/run/{run.id}").content.decode()
