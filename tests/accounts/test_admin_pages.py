"""Users, keys and the audit trail in the admin."""

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group

from accounts.models import ApiKey, AuditRecord, User
from accounts.services.api_keys import revoke_key
from tests.accounts.cast import facts

pytestmark = pytest.mark.django_db

NEW_PASSWORD = "another long passphrase 42"


@pytest.mark.parametrize("model", ["user", "apikey", "auditrecord"])
def test_every_list_opens_on_a_populated_database(admin_client, owner, model):
    response = admin_client.get(f"/admin/accounts/{model}/")

    assert response.status_code == 200
    assert owner.secret not in response.content.decode()
    assert owner.key.key_hash not in response.content.decode()


@pytest.mark.parametrize(
    "path", ["user/{user}/change/", "apikey/{key}/change/", "auditrecord/1/change/", "user/add/"]
)
def test_every_detail_opens(admin_client, owner, path):
    path = path.format(user=owner.user.pk, key=owner.key.pk)

    response = admin_client.get(f"/admin/accounts/{path}")

    assert response.status_code == 200
    assert owner.key.key_hash not in response.content.decode()
    assert b"argon2" not in response.content


@pytest.mark.parametrize("model", ["user", "apikey", "auditrecord"])
def test_who_is_no_admin_sees_none_of_it(client, teammate, model):
    client.force_login(teammate.user)

    assert client.get(f"/admin/accounts/{model}/").status_code == 302


def test_a_user_is_created_through_the_service(admin_client, admin):
    response = admin_client.post(
        "/admin/accounts/user/add/",
        {"email": "new@example.com", "display_name": "New", "role": "viewer"},
    )

    user = User.objects.get(email="new@example.com")
    assert response.status_code == 302
    assert user.role == "viewer" and user.is_active and not user.has_usable_password()
    assert facts("user_created")[-1]["actor"] == admin.user.pk


def test_two_users_without_an_address_can_be_created(admin_client):
    for _ in range(2):
        admin_client.post("/admin/accounts/user/add/", {"email": "", "role": "user"})

    assert User.objects.filter(email=None).count() == 2


def test_a_user_is_changed_through_the_service(admin_client, admin, owner):
    admin_client.post(
        f"/admin/accounts/user/{owner.user.pk}/change/",
        {"email": "", "display_name": "Owner", "role": "operator", "is_active": "on"},
    )

    user = User.objects.get(pk=owner.user.pk)
    assert (user.email, user.display_name, user.role) == (None, "Owner", "operator")
    assert facts("user_updated")[-1]["actor"] == admin.user.pk


def test_the_last_admin_is_told_why_not(admin_client, admin):
    response = admin_client.post(
        f"/admin/accounts/user/{admin.user.pk}/change/",
        {"email": "admin@example.com", "display_name": "", "role": "viewer", "is_active": "on"},
        follow=True,
    )

    assert b"The last active admin must stay an active admin" in response.content
    assert User.objects.get(pk=admin.user.pk).role == "admin"


def test_an_address_somebody_has_is_refused_in_the_form(admin_client, owner):
    response = admin_client.post(
        "/admin/accounts/user/add/", {"email": "OWNER@example.com", "role": "user"}
    )

    assert response.status_code == 200
    assert User.objects.filter(email__iexact="owner@example.com").count() == 1


def test_nobody_can_be_deleted(admin_client, owner):
    for path in (f"user/{owner.user.pk}", f"apikey/{owner.key.pk}", "auditrecord/1"):
        response = admin_client.post(f"/admin/accounts/{path}/delete/", {"post": "yes"})

        assert response.status_code == 403


def test_a_password_can_be_set_and_then_opens_the_admin(admin_client, client, admin):
    page = f"/admin/accounts/user/{admin.user.pk}/password/"
    assert admin_client.get("/admin/password_change/").headers["Location"] == page

    response = admin_client.post(page, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})

    assert response.status_code == 302
    assert facts("password_set")[-1]["user_id"] == admin.user.pk
    client.logout()
    client.post("/admin/login/", {"username": "admin@example.com", "password": NEW_PASSWORD})
    assert client.get("/admin/").status_code == 200


def test_a_new_key_is_shown_once_and_not_kept_by_any_cache(admin_client, client, owner):
    response = admin_client.post(
        "/admin/accounts/apikey/add/",
        {
            "user": owner.user.pk,
            "label": "laptop",
            "capabilities": ["runs:read"],
            "expires_at_0": "",
            "expires_at_1": "",
        },
    )

    key = ApiKey.objects.get(label="laptop")
    secret = next(word for word in response.content.decode().split("<code>")[1].split("<"))
    assert "no-store" in response.headers["Cache-Control"]
    assert key.capabilities == ["runs:read"]
    assert client.get("/v1/runs", headers={"X-API-Key": secret}).status_code == 200
    assert secret not in admin_client.get("/admin/accounts/apikey/").content.decode()


def test_selected_keys_are_revoked_through_the_service(admin_client, admin, owner, client):
    admin_client.post(
        "/admin/accounts/apikey/", {"action": "revoke", "_selected_action": [owner.key.pk]}
    )

    assert client.get("/v1/runs", headers=owner.headers).status_code == 401
    assert facts("api_key_revoked")[-1]["actor"] == admin.user.pk


def test_a_key_cannot_be_edited_back_to_life(admin_client, owner):
    revoke_key(key_id=owner.key.pk, actor="test")

    response = admin_client.post(
        f"/admin/accounts/apikey/{owner.key.pk}/change/", {"revoked_at_0": "", "revoked_at_1": ""}
    )

    assert response.status_code == 403
    assert ApiKey.objects.get(pk=owner.key.pk).revoked_at is not None


def test_the_trail_can_be_narrowed_and_is_never_counted(
    admin_client, owner, django_assert_max_num_queries
):
    with django_assert_max_num_queries(10) as queries:
        page = admin_client.get("/admin/accounts/auditrecord/?kind=api_key_issued")

    shown = set(re.findall(r"/admin/accounts/auditrecord/(\d+)/change/", page.content.decode()))
    issued = AuditRecord.objects.filter(fact_kind="api_key_issued")
    assert shown == {str(record.seq) for record in issued}
    assert not any("COUNT(" in query["sql"].upper() for query in queries.captured_queries)


def test_the_trail_cannot_be_written_to(admin_client):
    assert admin_client.get("/admin/accounts/auditrecord/add/").status_code == 403
    assert admin_client.post("/admin/accounts/auditrecord/1/change/", {}).status_code == 403
    assert AuditRecord.objects.exists()


def test_groups_are_not_offered():
    assert not admin.site.is_registered(Group)
