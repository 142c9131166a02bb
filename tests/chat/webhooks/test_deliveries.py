"""An attempt, what comes of it, and when the next one is."""

from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditRecord
from chat.errors import WebhookDisabled
from chat.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookMessage
from chat.webhooks.definitions import EndpointChanges
from chat.webhooks.endpoints import rotate_secret, update_endpoint
from chat.webhooks.log import forget_old_messages, redeliver
from tests.chat.webhooks.office import Office
from tests.chat.webhooks.receiver import Answer, Receiver, unused_url
from tests.server import ROOT

pytestmark = pytest.mark.django_db

State = WebhookDelivery.State
#: Seconds between attempts, as the page for operators has them.
DELAYS = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)


def last_attempt(delivery: WebhookDelivery) -> WebhookAttempt:
    attempt = delivery.attempts.last()
    assert attempt is not None
    return attempt


def facts(kind: str) -> list[dict[str, object]]:
    return [record.event["fact"] for record in AuditRecord.objects.filter(fact_kind=kind)]


def test_a_message_is_signed_as_standard_webhooks_says(office: Office, receiver: Receiver):
    issued = office.make(receiver.url)
    delivery = office.test(issued.endpoint)

    office.deliver()

    [received] = receiver.received
    assert received.is_signed_with(issued.secret)
    assert not received.is_signed_with("whsec_" + "A" * 43 + "=")
    assert received.id == delivery.message_id
    assert received.headers["content-type"] == "application/json"
    assert list(received.content) == ["type", "timestamp", "data"]
    assert received.content["type"] == "webhook.test"
    assert office.reread(delivery).state == State.DELIVERED
    assert (last_attempt(delivery).status, last_attempt(delivery).response) == (200, "thanks")


def test_the_check_that_the_page_shows_takes_it_and_nothing_else(
    office: Office, receiver: Receiver
):
    page = (ROOT / "docs/howto/webhooks.md").read_text()
    shown: dict[str, Any] = {}
    exec(page.partition("```python")[2].partition("```")[0], shown)  # noqa: S102 - our own page
    issued = office.make(receiver.url)
    office.test(issued.endpoint)
    office.deliver()

    [received] = receiver.received
    old = {**received.headers, "webhook-timestamp": "1700000000"}
    assert shown["is_genuine"](issued.secret, received.headers, received.body)
    assert not shown["is_genuine"](issued.secret, received.headers, received.body + b" ")
    assert not shown["is_genuine"](issued.secret, old, received.body)


def test_for_a_day_after_a_rotation_both_secrets_sign(office: Office, receiver: Receiver):
    issued = office.make(receiver.url)
    rotated = rotate_secret(issued.endpoint.pk, actor="test")
    office.test(issued.endpoint)
    office.deliver()
    WebhookEndpoint.objects.update(previous_secret_until=timezone.now())
    office.test(issued.endpoint)
    office.deliver()

    meanwhile, afterwards = receiver.received
    assert meanwhile.is_signed_with(issued.secret)
    assert meanwhile.is_signed_with(rotated.secret)
    assert not afterwards.is_signed_with(issued.secret)
    assert afterwards.is_signed_with(rotated.secret)
    assert rotated.endpoint.previous_secret_until is not None
    left = rotated.endpoint.previous_secret_until - timezone.now()
    assert timedelta(hours=23) < left <= timedelta(hours=24)


@pytest.mark.parametrize("status", [500, 404, 400, 429, 503, 302])
def test_what_is_not_taken_is_sent_again_under_its_id(
    office: Office, receiver: Receiver, status: int
):
    delivery = office.test(office.make(receiver.url).endpoint)
    elsewhere = Answer(status, {"Location": receiver.url} if status == 302 else {})
    receiver.answers = [elsewhere]

    office.deliver()
    failed = office.reread(delivery)
    early = office.deliver()
    office.pass_time(seconds=7)
    office.deliver()

    assert (failed.state, failed.tries, early) == (State.PENDING, 1, 0)
    assert [attempt.status for attempt in delivery.attempts.all()] == [status, 200]
    assert len(receiver.received) == 2
    assert {received.id for received in receiver.received} == {delivery.message_id}
    assert office.reread(delivery).state == State.DELIVERED
    assert not WebhookEndpoint.objects.get().consecutive_failures


def test_a_receiver_that_is_not_there_is_tried_again(office: Office):
    delivery = office.test(office.make(unused_url()).endpoint)

    office.deliver()

    assert office.reread(delivery).state == State.PENDING
    attempt = last_attempt(delivery)
    assert (attempt.status, attempt.error) == (None, "could not connect to the host")


def test_after_ten_attempts_over_three_days_it_has_failed(office: Office, receiver: Receiver):
    delivery = office.test(office.make(receiver.url).endpoint)
    receiver.answers = [Answer(500)] * 20
    waits = []

    while office.deliver():
        current = office.reread(delivery)
        if current.next_attempt_at is not None:
            waits.append((current.next_attempt_at - office.now).total_seconds())
            office.late += current.next_attempt_at - office.now

    assert current.state == State.FAILED
    assert len(receiver.received) == 10
    assert len(waits) == len(DELAYS)
    for wait, delay in zip(waits, DELAYS, strict=True):
        assert delay - 1 <= wait <= delay * 1.2
    office.pass_time(days=10)
    assert office.deliver() == 0


@pytest.mark.parametrize("as_date", [False, True])
def test_a_receiver_that_asks_for_time_gets_it(office: Office, receiver: Receiver, as_date: bool):
    delivery = office.test(office.make(receiver.url).endpoint)
    moment = format_datetime(timezone.now() + timedelta(seconds=100), usegmt=True)
    receiver.answers = [Answer(503, {"Retry-After": moment if as_date else "100"})]

    office.deliver()

    at = office.reread(delivery).next_attempt_at
    assert at is not None
    assert 90 <= (at - timezone.now()).total_seconds() <= 100


@pytest.mark.parametrize(
    ("asked", "at_most"), [("999999999999", 86_400), ("soon", 6), ("-5", 6), ("²", 6)]
)
def test_nobody_is_waited_for_longer_than_a_day(
    office: Office, receiver: Receiver, asked: str, at_most: int
):
    delivery = office.test(office.make(receiver.url).endpoint)
    receiver.answers = [Answer(429, {"Retry-After": asked.encode().decode("latin-1")})]

    office.deliver()

    at = office.reread(delivery).next_attempt_at
    assert at is not None
    assert 4 <= (at - timezone.now()).total_seconds() <= at_most


def test_a_receiver_that_is_gone_is_not_asked_again(office: Office, receiver: Receiver):
    endpoint = office.make(receiver.url).endpoint
    first, second = office.test(endpoint), office.test(endpoint)
    WebhookDelivery.objects.filter(pk=second.pk).update(
        next_attempt_at=timezone.now() + timedelta(hours=1)
    )
    receiver.answers = [Answer(410)]

    office.deliver()

    endpoint.refresh_from_db()
    assert not endpoint.is_enabled
    assert "410" in endpoint.disabled_reason
    assert {office.reread(row).state for row in (first, second)} == {State.CANCELLED}
    assert [fact["endpoint_id"] for fact in facts("webhook_endpoint_disabled")] == [endpoint.pk]
    office.pass_time(days=2)
    assert office.deliver() == 0


def test_an_endpoint_that_fails_for_five_days_is_disabled(office: Office, receiver: Receiver):
    endpoint = office.make(receiver.url).endpoint
    receiver.answers = [Answer(500)] * 3
    office.test(endpoint)
    office.deliver()
    office.pass_time(days=4.9)
    office.test(endpoint)
    office.deliver()
    endpoint.refresh_from_db()
    was_enabled = endpoint.is_enabled
    office.pass_time(days=0.2)
    office.deliver()

    endpoint.refresh_from_db()
    assert was_enabled
    assert not endpoint.is_enabled
    assert endpoint.disabled_reason == "nothing was delivered for 5 days"


def test_a_private_address_is_refused_unless_the_operator_allows_it(
    office: Office, receiver: Receiver, settings
):
    delivery = office.test(office.make(receiver.url).endpoint)
    settings.STARPORT_SSRF_ALLOW = []

    office.deliver()

    assert receiver.received == []
    refused = "requests to private or internal addresses are not allowed"
    assert last_attempt(delivery).error == refused


def test_a_message_can_be_sent_again_by_hand(office: Office, receiver: Receiver):
    endpoint = office.make(receiver.url).endpoint
    delivery = office.test(endpoint)
    office.deliver()

    redeliver(endpoint.pk, delivery.pk, actor="ada")
    office.deliver()

    first, second = receiver.received
    assert (first.id, first.body) == (second.id, second.body)
    assert delivery.attempts.count() == 2
    assert office.reread(delivery).state == State.DELIVERED
    [fact] = facts("webhook_message_redelivered")
    assert (fact["actor"], fact["message_id"]) == ("ada", delivery.message_id)


def test_a_disabled_endpoint_gets_nothing_not_even_what_waited(office: Office, receiver: Receiver):
    endpoint = office.make(receiver.url).endpoint
    delivery = office.test(endpoint)
    update_endpoint(endpoint.pk, EndpointChanges(enabled=False), actor="test")

    office.deliver()

    assert receiver.received == []
    assert office.reread(delivery).state == State.CANCELLED
    with pytest.raises(WebhookDisabled):
        redeliver(endpoint.pk, delivery.pk, actor="test")
    with pytest.raises(WebhookDisabled):
        office.test(endpoint)


def test_an_answer_is_kept_cut_and_without_secrets(office: Office, receiver: Receiver):
    delivery = office.test(office.make(receiver.url).endpoint)
    key = "sk-ant-api03-" + "a" * 80
    receiver.answers = [Answer(500, body=f"your key {key} \x00".encode() + b"x" * 100_000)]

    office.deliver()

    kept = last_attempt(delivery).response
    assert kept.startswith("your key [redacted]")
    assert len(kept) <= 1_000


def test_a_secret_that_cannot_be_read_any_more_sends_nothing(
    office: Office, receiver: Receiver, settings
):
    delivery = office.test(office.make(receiver.url).endpoint)
    settings.SECRET_KEY = "another one"

    office.deliver()

    assert receiver.received == []
    assert "SECRET_KEY has changed" in last_attempt(delivery).error


def test_old_messages_are_forgotten_unless_they_wait(office: Office, receiver: Receiver, settings):
    endpoint = office.make(receiver.url).endpoint
    sent, waiting, young = office.test(endpoint), office.test(endpoint), office.test(endpoint)
    WebhookDelivery.objects.filter(pk=waiting.pk).update(
        next_attempt_at=timezone.now() + timedelta(hours=1)
    )
    office.deliver()
    old = timezone.now() - timedelta(days=settings.STARPORT_WEBHOOK_DAYS, minutes=1)
    WebhookMessage.objects.exclude(pk=young.message_id).update(created_at=old)

    forgotten = forget_old_messages()

    assert forgotten == 1
    left = set(WebhookDelivery.objects.values_list("pk", flat=True))
    assert left == {waiting.pk, young.pk}
    assert not WebhookAttempt.objects.filter(delivery_id=sent.pk).exists()
