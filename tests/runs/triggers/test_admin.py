"""The admin's forms of triggers, and the delivery log."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditRecord
from runs.models import CronTrigger, Trigger, WebhookDelivery, WebhookTrigger
from runs.services.retention import forget_old_records
from runs.triggers.definitions import WebhookDefinition
from runs.triggers.sealing import unseal
from runs.triggers.storing import store_trigger
from tests.factories import make_user
from tests.runs.triggers.pages import WEBHOOK

pytestmark = pytest.mark.django_db

SECRET = "a secret nobody guesses"
CRON = {
    "trigger_id": "nightly",
    "graph_id": "agent",
    "params": '{"goal": "hello"}',
    "is_enabled": "on",
    "cron_expression": "0 3 * * *",
    "tz": "Europe/Berlin",
    "missed_fire_policy": "skip",
}
HOOK = {**WEBHOOK, "trigger_id": "tickets", "path": "/hooks/tickets", "new_secret": SECRET}


@pytest.fixture
def back_office(client: Client) -> Client:
    client.force_login(make_user(role="admin"))
    return client


def errors(answer: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = answer.context["adminform"].form.errors
    return found


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("cron", "trigger_id", "no spaces please"),
        ("cron", "cron_expression", "every day"),
        ("cron", "tz", "Europe/Atlantis"),
        ("cron", "graph_id", "gone"),
        ("cron", "params", "{}"),
        ("cron", "params", "[1]"),
        ("cron", "missed_fire_policy", "always"),
        ("webhook", "path", "/hooks/../admin"),
        ("webhook", "mapping", '{"goal": "{{"}'),
        ("webhook", "mapping", "not json"),
        ("webhook", "new_secret", "short"),
        ("webhook", "new_secret", ""),
        ("webhook", "current_secret_env", "STARPORT_NO_SUCH_VARIABLE"),
        ("webhook", "timestamp_window_seconds", "0"),
        ("webhook", "signature_header", "X Header"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(
    back_office: Client, kind: str, field: str, value: str
):
    fields = {**(CRON if kind == "cron" else HOOK), field: value}

    answer = back_office.post(f"/admin/runs/{kind}trigger/add/", fields)

    assert answer.status_code == 200
    assert list(errors(answer)) == [field]
    assert not Trigger.objects.exists()


def test_a_taken_id_or_path_is_refused(back_office: Client):
    back_office.post("/admin/runs/crontrigger/add/", CRON)
    back_office.post("/admin/runs/webhooktrigger/add/", HOOK)
    address = "/admin/runs/webhooktrigger/add/"

    taken_id = back_office.post(address, {**HOOK, "trigger_id": "nightly", "path": "other"})
    taken_path = back_office.post(address, {**HOOK, "trigger_id": "other"})

    assert list(errors(taken_id)) == ["trigger_id"]
    assert list(errors(taken_path)) == ["path"]
    assert Trigger.objects.count() == 2


def test_a_secret_is_sealed_and_never_shown(back_office: Client):
    back_office.post("/admin/runs/webhooktrigger/add/", HOOK)

    trigger = WebhookTrigger.objects.get()
    page = back_office.get(f"/admin/runs/webhooktrigger/{trigger.pk}/change/").content.decode()
    assert unseal(trigger.current_secret_sealed) == SECRET
    assert SECRET not in trigger.current_secret_sealed
    assert SECRET not in page and trigger.current_secret_sealed not in page
    assert not AuditRecord.objects.filter(record__contains=SECRET).exists()
    created = AuditRecord.objects.get(fact_kind="trigger_created").event["fact"]
    assert (created["trigger_id"], created["trigger_kind"]) == ("tickets", "webhook")


def test_a_secret_survives_a_new_secret_key_that_names_the_old_one(back_office: Client, settings):
    back_office.post("/admin/runs/webhooktrigger/add/", HOOK)
    sealed = WebhookTrigger.objects.get().current_secret_sealed

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [settings.SECRET_KEY]
    assert unseal(sealed) == SECRET
    settings.SECRET_KEY_FALLBACKS = []
    assert unseal(sealed) == ""


def test_what_comes_from_the_file_is_shown_and_not_changed(back_office: Client, monkeypatch):
    monkeypatch.setenv("TICKETS_SECRET", SECRET)
    store_trigger(
        WebhookDefinition(trigger_id="t", path="t", current_secret_env="TICKETS_SECRET"),
        actor="test",
        source=Trigger.Source.FILE,
    )
    address = f"/admin/runs/webhooktrigger/{WebhookTrigger.objects.get().pk}/change/"

    assert back_office.get(address).status_code == 200
    assert back_office.post(address, {**HOOK, "graph_id": "agent"}).status_code == 403
    assert back_office.get("/admin/runs/webhooktrigger/").status_code == 200


def test_nothing_is_deleted_and_the_log_is_not_written_to(back_office: Client):
    back_office.post("/admin/runs/crontrigger/add/", CRON)
    pk = CronTrigger.objects.get().pk

    assert back_office.post(f"/admin/runs/crontrigger/{pk}/delete/", {"post": "yes"}).status_code
    assert CronTrigger.objects.exists()
    assert back_office.get("/admin/runs/webhookdelivery/add/").status_code == 403


def test_who_is_no_admin_sees_none_of_it(client: Client):
    client.force_login(make_user(role="operator"))

    for model in ("crontrigger", "webhooktrigger", "webhookdelivery"):
        assert client.get(f"/admin/runs/{model}/").status_code == 302


def test_deliveries_are_forgotten_when_their_days_are_over(back_office: Client, settings):
    settings.STARPORT_DELIVERY_DAYS = 30
    back_office.post("/admin/runs/webhooktrigger/add/", HOOK)
    for days in (29, 31):
        WebhookDelivery.objects.create(
            trigger=WebhookTrigger.objects.get(),
            received_at=timezone.now() - timedelta(days=days),
            code=f"{days} days old",
            status=200,
            body_hash="",
            size=0,
        )

    forget_old_records()

    assert [delivery.code for delivery in WebhookDelivery.objects.all()] == ["29 days old"]
