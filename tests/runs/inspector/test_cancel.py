"""Cancelling from the admin: through the service, with capability and record."""

import pytest
from django.test import Client

from accounts.models import AuditRecord
from accounts.services.api_keys import issue_key
from accounts.services.users import UserChanges, update_user
from runs.log.validate import validate_run
from tests.factories import make_user
from tests.runs.inspector.logs import plain_turn, write_run

pytestmark = pytest.mark.django_db


def facts(kind):
    return [record.event["fact"] for record in AuditRecord.objects.filter(fact_kind=kind)]


def test_it_ends_the_run_and_records_who_did(admin_client, admin):
    run = write_run(plain_turn(), end="")

    response = admin_client.post(f"/admin/runs/run/{run.id}/cancel/", follow=True)

    run.refresh_from_db()
    assert run.status == "cancelled"
    assert validate_run(run.id).is_valid
    assert f"Cancelled {run.id}" in response.content.decode()
    assert facts("lifecycle_cancel") == [
        {"kind": "lifecycle_cancel", "actor": admin.pk, "run_id": run.id}
    ]
    assert "runs:cancel" in [fact["capability"] for fact in facts("capability_granted")]


def test_it_cancels_the_ticked_runs_and_says_what_became_of_each(admin_client):
    going, ended = write_run(plain_turn(), end=""), write_run()

    response = admin_client.post(
        "/admin/runs/run/cancel/", {"run_id": [going.id, ended.id, "01NOSUCHRUN"]}, follow=True
    )

    going.refresh_from_db()
    ended.refresh_from_db()
    assert (going.status, ended.status) == ("cancelled", "done")
    page = response.content.decode()
    assert f"Cancelled {going.id}" in page
    assert f"run {ended.id} has ended already" in page
    assert "there is no run 01NOSUCHRUN" in page


def test_only_runs_that_go_on_have_a_button(admin_client):
    going, ended = write_run(plain_turn(), end=""), write_run()

    listing = admin_client.get("/admin/runs/run/").content.decode()

    assert f'value="{going.id}"' in listing
    assert f'value="{ended.id}"' not in listing
    cancel = "/cancel/"
    assert cancel in admin_client.get(f"/admin/runs/run/{going.id}/change/").content.decode()
    assert cancel not in admin_client.get(f"/admin/runs/run/{ended.id}/change/").content.decode()


def test_a_page_for_tokens_has_no_button(get):
    going = write_run(plain_turn(), end="")

    assert "cancel/" not in get("/inspect/", role="admin").content.decode()
    assert "cancel/" not in get(f"/inspect/run/{going.id}", role="admin").content.decode()


def test_looking_at_the_address_cancels_nothing(admin_client):
    run = write_run(plain_turn(), end="")

    response = admin_client.get(f"/admin/runs/run/{run.id}/cancel/")

    run.refresh_from_db()
    assert response.status_code == 405
    assert run.status == "running"


def test_another_sites_form_cancels_nothing(admin):
    run = write_run(plain_turn(), end="")
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(admin)

    response = browser.post(f"/admin/runs/run/{run.id}/cancel/")

    run.refresh_from_db()
    assert response.status_code == 403
    assert run.status == "running"


def test_a_key_without_the_capability_is_refused(admin_client, admin):
    run = write_run(plain_turn(), end="")
    reader = issue_key(user_id=admin.pk, actor="test", limited_to=["runs:read"])

    response = admin_client.post(
        f"/admin/runs/run/{run.id}/cancel/", headers={"X-API-Key": reader.secret}
    )

    run.refresh_from_db()
    assert response.status_code == 403
    assert run.status == "running"
    assert facts("capability_denied")[-1]["capability"] == "runs:cancel"


def test_who_is_no_admin_any_more_cancels_nothing(admin_client, admin):
    run = write_run(plain_turn(), end="")
    make_user(role="admin")  # the last admin could not be demoted
    update_user(user_id=admin.pk, actor="test", changes=UserChanges(role="operator"))

    response = admin_client.post(f"/admin/runs/run/{run.id}/cancel/")

    run.refresh_from_db()
    assert response.status_code == 302
    assert response.headers["Location"].startswith("/admin/login/")
    assert run.status == "running"
