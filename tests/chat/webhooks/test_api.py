"""`/api/settings/webhooks`: endpoints and their logs over HTTP."""

import json
from typing import Any

import pytest

from accounts.models import AuditRecord
from chat.models import WebhookEndpoint
from tests.chat.callers import Caller, make_caller
from tests.chat.webhooks.office import Office
from tests.chat.webhooks.receiver import Answer, Receiver
from tests.factories import make_user

pytestmark = pytest.mark.django_db

ROUTE = "/api/settings/webhooks"
URL = "https://example.com/hook/s3cr3t-path"
WANTED = {"url": URL, "events": ["run.*"]}


@pytest.fixture
def admin(office: Office) -> Caller:
    return make_caller("admin")


def make(admin: Caller, **fields: Any) -> dict[str, Any]:
    answer = admin.post(ROUTE, {**WANTED, **fields})
    assert answer.status_code == 201, answer.content
    made: dict[str, Any] = answer.json()
    return made


def facts(kind: str) -> list[dict[str, Any]]:
    records = AuditRecord.objects.filter(fact_kind=kind).order_by("seq")
    return [record.event["fact"] for record in records]


def test_a_secret_is_shown_once_and_lies_there_sealed(admin: Caller):
    made = make(admin, description="Dashboard", events=["run.failed", "approval.*", "run.failed"])

    shown = admin.get(f"{ROUTE}/{made['id']}").json()
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert shown == made
    assert (shown["events"], shown["enabled"]) == (["approval.*", "run.failed"], True)
    assert (shown["user_id"], shown["disabled_reason"]) == (None, None)
    assert admin.get(ROUTE).json() == [shown]
    row = WebhookEndpoint.objects.get()
    assert secret not in row.secret_sealed
    assert secret not in "".join(AuditRecord.objects.values_list("record", flat=True))


def test_the_record_of_a_change_has_the_host_and_not_the_address(admin: Caller):
    made = make(admin)
    admin.put(f"{ROUTE}/{made['id']}", {"url": "https://other.example/x", "enabled": False})
    admin.post(f"{ROUTE}/{made['id']}/rotate")
    admin.delete(f"{ROUTE}/{made['id']}")

    [created] = facts("webhook_endpoint_created")
    [updated] = facts("webhook_endpoint_updated")
    assert (created["host"], updated["host"]) == ("example.com", "other.example")
    assert updated["enabled"] is False
    assert created["actor"] == admin.member.user.pk  # type: ignore[union-attr] # it has one
    for kind in ("webhook_endpoint_disabled", "webhook_secret_rotated", "webhook_endpoint_deleted"):
        [fact] = facts(kind)
        assert fact["endpoint_id"] == made["id"]
    assert "s3cr3t-path" not in "".join(AuditRecord.objects.values_list("record", flat=True))


def test_what_a_change_leaves_out_stays(admin: Caller):
    made = make(admin, description="Dashboard")

    changed = admin.put(f"{ROUTE}/{made['id']}", {"events": ["instance.*"]}).json()

    assert (changed["events"], changed["description"]) == (["instance.*"], "Dashboard")
    assert changed["url"] == URL


def test_a_deleted_endpoint_is_gone_with_its_log(admin: Caller):
    made = make(admin)
    admin.post(f"{ROUTE}/{made['id']}/test")

    assert admin.delete(f"{ROUTE}/{made['id']}").status_code == 204
    assert admin.get(f"{ROUTE}/{made['id']}").status_code == 404
    assert admin.get(f"{ROUTE}/{made['id']}/deliveries").status_code == 404


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({"url": "ftp://example.com"}, 400, "url: only http and https URLs are allowed"),
        ({"url": "https://me:pw@example.com"}, 400, "url: a URL with a user name or password"),
        (
            {"url": "https://example.com/" + "a" * 2_000},
            400,
            "url: String should have at most 2000",
        ),
        ({"url": "http://93.184.215.14:8080/"}, 400, "url: requests to port 8080 are not allowed"),
        ({"url": None}, 422, "url: Input should be a valid string"),
        ({"events": []}, 400, "events: List should have at least 1 item"),
        ({"events": ["run.exploded"]}, 400, "events: 'run.exploded' is none of run.completed"),
        ({"events": ["webhook.test"]}, 400, "events: 'webhook.test' is none of"),
        ({"events": "run.*"}, 422, "events: Input should be a valid array"),
        ({"description": "two\nlines"}, 400, "description: must be printable"),
        ({"enabled": "yes"}, 422, "enabled: Input should be a valid boolean"),
        ({"user_id": "nobody"}, 400, "user_id: there is no such user"),
        ({"user_id": "x" * 37}, 400, "user_id: String should have at most 36 characters"),
    ],
)
def test_what_is_wrong_is_named(admin: Caller, fields: dict[str, Any], status: int, error: str):
    answer = admin.post(ROUTE, {**WANTED, **fields})

    assert (answer.status_code, answer.json()["error"][: len(error)]) == (status, error)
    assert not WebhookEndpoint.objects.exists()


def test_a_port_is_refused_unless_the_operator_vouches_for_a_network(admin: Caller, settings: Any):
    wanted = {**WANTED, "url": "https://hooks.example.com:8443/"}
    settings.STARPORT_SSRF_ALLOW = []

    refused = admin.post(ROUTE, wanted)
    settings.STARPORT_SSRF_ALLOW = ["10.0.0.0/8"]  # where the name may lie
    admitted = admin.post(ROUTE, wanted)

    assert (refused.status_code, admitted.status_code) == (400, 201)
    assert refused.json()["error"] == "url: requests to port 8443 are not allowed"


def test_an_endpoint_of_a_user_names_them(admin: Caller):
    user = make_user()

    assert make(admin, user_id=user.pk)["user_id"] == user.pk
    switched_off = make_user()
    switched_off.is_active = False
    switched_off.save()
    answer = admin.post(ROUTE, {**WANTED, "user_id": switched_off.pk})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", ""),
        ("post", ""),
        ("get", "/{id}"),
        ("put", "/{id}"),
        ("delete", "/{id}"),
        ("post", "/{id}/rotate"),
        ("post", "/{id}/test"),
        ("get", "/{id}/deliveries"),
        ("post", "/{id}/deliveries/{delivery}/redeliver"),
    ],
)
@pytest.mark.parametrize("role", ["user", "operator"])
def test_they_are_for_administrators(admin: Caller, role: str, method: str, path: str):
    made = make(admin)
    delivery = admin.post(f"{ROUTE}/{made['id']}/test").json()
    address = ROUTE + path.format(id=made["id"], delivery=delivery["id"])
    arguments = [WANTED] if method in ("post", "put") else []

    answer = getattr(make_caller(role), method)(address, *arguments)

    assert (answer.status_code, answer.json()) == (403, {"error": "Admin access required"})
    assert WebhookEndpoint.objects.count() == 1


@pytest.mark.parametrize("name", ["nobody", "%00"])
def test_one_that_is_not_there_is_404(admin: Caller, name: str):
    made = make(admin)
    gone = "Webhook not found"

    for path in (f"/{name}/rotate", f"/{name}/test", f"/{name}/deliveries/x/redeliver"):
        answer = admin.post(ROUTE + path)
        assert (answer.status_code, answer.json()["error"]) == (404, gone)
    assert admin.get(f"{ROUTE}/{name}/deliveries").json()["error"] == gone
    assert admin.put(f"{ROUTE}/{name}", {}).status_code == 404
    assert admin.delete(f"{ROUTE}/{name}").status_code == 404
    answer = admin.post(f"{ROUTE}/{made['id']}/deliveries/{name}/redeliver")
    assert (answer.status_code, answer.json()["error"]) == (404, "Webhook delivery not found")


def test_a_delivery_of_another_endpoint_is_not_sent_again(admin: Caller):
    one, other = make(admin), make(admin)
    delivery = admin.post(f"{ROUTE}/{one['id']}/test").json()

    answer = admin.post(f"{ROUTE}/{other['id']}/deliveries/{delivery['id']}/redeliver")

    assert answer.status_code == 404


def test_the_log_shows_what_was_sent_and_what_came_back(
    admin: Caller, office: Office, receiver: Receiver
):
    made = make(admin, url=receiver.url)
    receiver.answers = [Answer(500, body=b"out of order")]
    asked = admin.post(f"{ROUTE}/{made['id']}/test")
    office.deliver()
    office.pass_time(seconds=7)
    office.deliver()
    again = admin.post(f"{ROUTE}/{made['id']}/deliveries/{asked.json()['id']}/redeliver")

    [shown] = admin.get(f"{ROUTE}/{made['id']}/deliveries").json()
    assert (asked.status_code, again.status_code) == (202, 202)
    assert shown == again.json()
    assert (shown["state"], shown["type"]) == ("pending", "webhook.test")
    assert shown["payload"] == json.loads(receiver.received[0].body)
    assert [
        (attempt["status"], attempt["error"], attempt["response"]) for attempt in shown["attempts"]
    ] == [(500, "answered 500", "out of order"), (200, None, "thanks")]
    assert admin.get(f"{ROUTE}/{made['id']}/deliveries", limit=0).json() == []
    assert admin.get(f"{ROUTE}/{made['id']}/deliveries", limit="x").status_code == 400


def test_a_disabled_one_refuses_tests(admin: Caller):
    made = make(admin, enabled=False)

    answer = admin.post(f"{ROUTE}/{made['id']}/test")

    assert (answer.status_code, answer.headers["X-Error-Code"]) == (409, "webhook_disabled")
    assert answer.json() == {"error": "This webhook is disabled"}
