"""What endpoints hear of: everything once, nothing of before, and nothing that is not for them."""

import time
from datetime import timedelta
from typing import Any

import jsonschema
import orjson
import pytest
from django.utils import timezone

from accounts.models import User
from chat.models import WebhookDelivery, WebhookMark, WebhookMessage
from chat.webhooks import telling
from chat.webhooks.definitions import EndpointChanges
from chat.webhooks.endpoints import update_endpoint
from instances.models import Instance, StatusChange
from instances.objects import Report, Status
from instances.services import recording
from runs.models import Run
from runs.services.lifecycle import respond
from tests.accounts.cast import Member, make_member
from tests.chat.webhooks.office import Office
from tests.chat.webhooks.receiver import Receiver, unused_url
from tests.factories import make_user
from tests.runs.approvals.waiting import ask
from tests.runs.inspector.logs import plain_turn, write_run
from tests.server import ROOT

pytestmark = pytest.mark.django_db

URL = unused_url()


def told() -> list[str]:
    return list(WebhookMessage.objects.order_by("created_at").values_list("type", flat=True))


def body_of(kind: str) -> str:
    return WebhookMessage.objects.get(type=kind).body


def answer(run: Run, response: Any, member: Member) -> None:
    from accounts.principals import user_principal

    caller = user_principal(user_id=member.user.pk, role=member.user.role, provider="api_key")
    respond(run_id=run.id, response=response, caller=caller)


@pytest.mark.parametrize(
    ("end", "kind"),
    [("completed", "run.completed"), ("failed", "run.failed"), ("cancelled", "run.cancelled")],
)
def test_an_end_that_no_signal_told_of_is_found_once(office: Office, end: str, kind: str):
    office.make(URL)
    run = write_run(end=end)

    office.sweep()
    again = office.sweep()

    assert (told(), again) == ([kind], 0)
    message = WebhookMessage.objects.get()
    assert message.run_id == run.id
    assert f'"status":"{run.status}"' in message.body


def test_a_defect_of_ours_is_a_failure_with_its_own_status(office: Office):
    office.make(URL)
    write_run(end="failed")
    Run.objects.update(status=Run.Status.ERROR)

    office.sweep()

    assert '"status":"error"' in body_of("run.failed")


def test_a_signal_and_the_sweep_make_one_message(office: Office):
    office.make(URL)
    run = write_run()

    telling.runs_have_ended([run.id])
    telling.runs_have_ended([run.id])
    office.sweep()

    assert told() == ["run.completed"]


def test_a_question_and_its_answer_are_told_without_their_contents(office: Office):
    office.make(URL)
    member = make_member(role="admin")
    run = ask("Is the launch code tiger?", interrupt_payload={"code": "tiger"})
    office.sweep()
    answer(run, {"decision": "panther"}, member)
    office.sweep()
    office.sweep()

    assert told() == ["approval.requested", "approval.answered"]
    asked, answered = body_of("approval.requested"), body_of("approval.answered")
    for secret in ("tiger", "panther", "launch"):
        assert secret not in asked + answered
    assert f'"request_seq":{run.head_seq}' in asked
    assert f'"request_seq":{run.head_seq}' in answered
    assert f'"answered_by":"{member.user.pk}"' in answered
    assert f"/v1/runs/{run.id}/respond" in asked


def test_a_question_is_found_although_the_run_has_been_answered_and_has_ended(office: Office):
    office.make(URL)
    run = ask("Ship it?")
    answer(run, {"decision": "yes"}, make_member(role="admin"))

    office.sweep()

    assert told() == ["approval.requested", "approval.answered"]


def test_a_run_is_told_of_without_what_was_said_in_it(office: Office):
    office.make(URL)
    write_run(plain_turn("a panther"), goal="find the tiger", inputs={"animal": "tiger"})

    office.sweep()

    body = body_of("run.completed")
    assert "tiger" not in body and "panther" not in body


def test_a_change_of_an_instance_is_told_once(office: Office):
    office.make(URL)
    now = int(time.time())
    recording.remember("http", Report("i1", Status.RUNNING, now, now, name="one"))
    recording.remember("http", Report("i1", Status.RUNNING, now, now, name="one"))
    recording.remember("http", Report("i1", Status.PAUSED, now, now, name="one"), actor="ada")

    office.sweep()
    office.sweep()

    assert told() == ["instance.status_changed"] * 2
    last = WebhookMessage.objects.order_by("created_at").last()
    assert last is not None
    assert '"previous_status":"running","status":"paused","cause":"command"' in last.body


def test_a_signal_of_an_instance_and_the_sweep_make_one_message(office: Office):
    office.make(URL)
    recording.remember("http", Report("i1", Status.RUNNING, 1, 1))
    recording.remember("http", Report("i2", Status.RUNNING, 1, 1))
    changes = list(StatusChange.objects.filter(instance_id="i1"))

    telling.instances_have_changed(changes)
    at_once = told()
    office.sweep()

    assert (at_once, told()) == (["instance.status_changed"], ["instance.status_changed"] * 2)


def give_up(instance_id: str) -> None:
    """As the monitor leaves one that it restarts no more."""
    recording.remember("http", Report(instance_id, Status.RUNNING, 1, 1, name="web-1"))
    Instance.objects.filter(pk=instance_id).update(
        status="error", stale_since=timezone.now(), given_up_at=timezone.now()
    )


def test_giving_up_is_told_once_each_time_whoever_finds_it(office: Office):
    office.make(URL, events=["instance.given_up"])
    give_up("i1")
    give_up("i2")

    telling.instance_is_given_up("i1")
    at_once = told()
    office.sweep()
    once_each = told()
    give_up("i1")
    office.sweep()

    assert (len(at_once), len(once_each), len(told())) == (1, 2, 3)
    assert set(told()) == {"instance.given_up"}
    message = WebhookMessage.objects.order_by("created_at").first()
    assert message is not None and '"instance_id":"i1","name":"web-1"' in message.body


def test_a_user_who_may_not_read_instances_hears_nothing_of_them(office: Office):
    office.make(URL, owner=make_user(role="scraper").pk)
    give_up("i1")

    office.sweep()

    assert told() == []


def test_messages_are_what_the_openapi_document_says(office: Office):
    issued = office.make(URL)
    now = int(time.time())
    for end in ("completed", "failed", "cancelled"):
        write_run(end=end)
    answer(ask(), {"decision": "yes"}, make_member(role="admin"))
    recording.remember("http", Report("i1", Status.RUNNING, now, now))
    give_up("i1")
    office.sweep()
    office.test(issued.endpoint)
    described = orjson.loads((ROOT / "docs/reference/openapi.json").read_bytes())["webhooks"]

    sent = {message.type: message.body for message in WebhookMessage.objects.all()}

    assert sent.keys() == described.keys()
    for kind, body in sent.items():
        content = described[kind]["post"]["requestBody"]["content"]
        schema = content["application/json"]["schema"]
        message = orjson.loads(body)
        jsonschema.validate(message, schema)
        assert message["data"].keys() == schema["properties"]["data"]["properties"].keys()


def test_an_endpoint_hears_nothing_of_before_it_was_there(office: Office):
    write_run()
    office.make(URL)
    office.sweep()

    assert told() == []


def test_what_happened_while_it_was_disabled_is_past(office: Office):
    endpoint = office.make(URL, enabled=False).endpoint
    write_run()
    update_endpoint(endpoint.pk, EndpointChanges(enabled=True), actor="test")
    office.sweep()
    nothing = told()
    write_run(end="failed")
    office.sweep()

    assert (nothing, told()) == ([], ["run.failed"])


def test_only_what_was_asked_for_is_told(office: Office):
    office.make(URL, events=["run.failed"])
    write_run()
    write_run(end="failed")
    ask()

    office.sweep()

    assert told() == ["run.failed"]


def test_several_endpoints_get_the_same_message(office: Office, receiver: Receiver):
    office.make(receiver.url)
    office.make(receiver.url, events=["run.completed"])
    write_run()

    office.sweep()
    office.deliver()

    first, second = receiver.received
    assert (first.id, first.body) == (second.id, second.body)
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


def test_a_user_hears_of_their_own_runs_alone(office: Office):
    owner, stranger = make_user(), make_user()
    office.make(URL, owner=owner.pk)
    mine = write_run(creator=owner)
    write_run(creator=stranger)
    write_run()
    ask(creator=stranger)
    my_question = ask(creator=owner)

    office.sweep()

    runs = set(WebhookMessage.objects.values_list("run_id", flat=True))
    assert runs == {mine.id, my_question.id}


def test_a_user_who_may_see_all_runs_hears_of_all(office: Office):
    office.make(URL, owner=make_user(role="viewer").pk)
    write_run(creator=make_user())

    office.sweep()

    assert told() == ["run.completed"]


@pytest.mark.parametrize("role", ["user", "scraper"])
def test_a_user_who_may_not_see_a_run_any_more_does_not_get_what_waits(
    office: Office, receiver: Receiver, role: str
):
    reader = make_user(role="operator")
    office.make(receiver.url, owner=reader.pk)
    write_run(creator=make_user())
    office.sweep()
    User.objects.filter(pk=reader.pk).update(role=role)

    office.deliver()

    assert receiver.received == []
    assert WebhookDelivery.objects.get().state == "cancelled"


def test_a_user_who_was_switched_off_gets_nothing(office: Office, receiver: Receiver):
    owner = make_user()
    issued = office.make(receiver.url, owner=owner.pk)
    write_run(creator=owner)
    office.sweep()
    User.objects.filter(pk=owner.pk).update(is_active=False)
    write_run(creator=owner)
    office.sweep()
    office.test(issued.endpoint)

    office.deliver()

    assert receiver.received == []
    assert told() == ["run.completed", "webhook.test"]


def test_the_sweep_goes_on_where_the_last_one_was(office: Office):
    office.make(URL)
    WebhookMark.objects.create(name=telling.MARK, at=timezone.now() + timedelta(hours=1))
    write_run()

    office.sweep()

    assert told() == []
    mark = WebhookMark.objects.get()
    assert mark.at <= timezone.now()


def test_nobody_looks_while_there_is_no_endpoint(office: Office, django_assert_num_queries: Any):
    write_run()

    with django_assert_num_queries(1):
        office.sweep()
    telling.runs_have_ended(["any"])
    with django_assert_num_queries(0):
        telling.runs_have_ended(["any"])


def test_a_fork_that_takes_over_an_answer_was_asked_nothing(office: Office):
    from runs.event_types import InputReceived

    office.make(URL, events=["approval.*"])
    write_run([*plain_turn(), InputReceived("yes", "cf:ada")])

    office.sweep()

    assert told() == []
