"""Outgoing webhooks in the admin."""

import re
from typing import Any

import pytest
from django.test import Client

from chat.models import WebhookDelivery, WebhookEndpoint
from tests.chat.webhooks.office import Office
from tests.chat.webhooks.receiver import Answer, Receiver, unused_url
from tests.factories import make_user
from tests.runs.inspector.logs import write_run

pytestmark = pytest.mark.django_db

LIST = "/admin/chat/webhookendpoint/"
LOG = "/admin/chat/webhookdelivery/"
FORM = {"url": "https://example.com/hook", "events": ["run.*"], "is_enabled": "on", "owner": ""}


@pytest.fixture
def admin(client: Client, office: Office) -> Client:
    client.force_login(make_user(role="admin"))
    return client


def act(admin: Client, address: str, action: str, row: Any) -> str:
    answer = admin.post(address, {"action": action, "_selected_action": row.pk}, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def secret_in(page: str) -> str:
    found = re.search(r"whsec_[A-Za-z0-9+/=]{40,}", page)
    assert found, page
    return found[0]


def test_a_new_one_shows_its_secret_in_that_answer_alone(admin: Client):
    answer = admin.post(f"{LIST}add/", FORM)

    secret = secret_in(answer.content.decode())
    assert "no-store" in answer.headers["Cache-Control"]
    endpoint = WebhookEndpoint.objects.get()
    assert (endpoint.url, endpoint.events) == ("https://example.com/hook", ["run.*"])
    for address in (LIST, f"{LIST}{endpoint.pk}/change/"):
        page = admin.get(address).content.decode()
        assert "https://example.com/hook" in page
        assert secret not in page and endpoint.secret_sealed not in page


@pytest.mark.parametrize(
    ("field", "value"),
    [("url", "ftp://example.com"), ("events", ["run.exploded"]), ("owner", "nobody")],
)
def test_what_is_wrong_is_said_beside_its_field(admin: Client, field: str, value: Any):
    answer = admin.post(f"{LIST}add/", {**FORM, field: value})

    assert list(answer.context["adminform"].form.errors) == [field]
    assert not WebhookEndpoint.objects.exists()


def test_one_is_changed_disabled_and_enabled(admin: Client, office: Office):
    endpoint = office.make(unused_url()).endpoint

    admin.post(f"{LIST}{endpoint.pk}/change/", {**FORM, "events": ["approval.*"]})
    endpoint.refresh_from_db()
    changed = endpoint.events
    act(admin, LIST, "disable", endpoint)
    endpoint.refresh_from_db()
    disabled = endpoint.is_enabled
    act(admin, LIST, "enable", endpoint)
    endpoint.refresh_from_db()

    assert (changed, disabled, endpoint.is_enabled) == (["approval.*"], False, True)


def test_a_secret_is_rotated_and_shown_once(admin: Client, office: Office, receiver: Receiver):
    issued = office.make(receiver.url)

    secret = secret_in(act(admin, LIST, "rotate_secret", issued.endpoint))
    act(admin, LIST, "send_test", issued.endpoint)
    office.deliver()

    [received] = receiver.received
    assert received.is_signed_with(secret) and received.is_signed_with(issued.secret)


def test_the_log_has_the_payload_the_attempts_and_the_run(
    admin: Client, office: Office, receiver: Receiver
):
    office.make(receiver.url)
    receiver.answers = [Answer(500, body=b"<b>out of order</b>")]
    run = write_run()
    office.sweep()
    office.deliver()
    delivery = WebhookDelivery.objects.get()

    listed = admin.get(LOG).content.decode()
    page = admin.get(f"{LOG}{delivery.pk}/change/").content.decode()

    assert "run.completed" in listed and "answered 500" in listed
    assert f"/admin/runs/run/{run.id}/change/" in page
    assert "answered 500" in page and "&lt;b&gt;out of order" in page
    assert "&quot;finished_at&quot;" in page
    assert delivery.pk in admin.get(f"{LOG}?q={run.id}").content.decode()
    assert delivery.pk not in admin.get(f"{LOG}?q={run.id[:-1]}").content.decode()


def test_a_message_is_delivered_again_from_the_log(
    admin: Client, office: Office, receiver: Receiver
):
    delivery = office.test(office.make(receiver.url).endpoint)
    office.deliver()

    said = act(admin, LOG, "deliver_again", delivery)
    office.deliver()

    assert "is on its way again" in said
    assert [received.id for received in receiver.received] == [delivery.message_id] * 2


def test_one_is_deleted_with_its_log_and_the_log_alone_is_not(admin: Client, office: Office):
    endpoint = office.make(unused_url()).endpoint
    delivery = office.test(endpoint)

    assert admin.get(f"{LOG}{delivery.pk}/delete/").status_code == 403
    assert admin.post(f"{LIST}{endpoint.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not WebhookEndpoint.objects.exists()
    assert not WebhookDelivery.objects.exists()


def test_nobody_else_sees_them(client: Client, office: Office):
    client.force_login(make_user(role="operator"))

    assert client.get(LIST).status_code == 302
    assert client.get(LOG).status_code == 302
