"""The login page of the admin, and the sessions it opens."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.attempts import PER_MINUTE
from accounts.services.api_keys import issue_key, revoke_key
from accounts.services.users import deactivate_user
from tests.accounts.cast import PASSWORD, expire, facts, make_member

pytestmark = pytest.mark.django_db

LOGIN = "/admin/login/"


def test_the_page_runs_no_script_and_sends_no_secret_back(client):
    page = client.post(LOGIN, {"api_key": "a-wrong-key-typed-in"})

    assert b"<script" not in page.content
    assert b"style=" not in page.content
    assert not re.search(rb"\son[a-z]+=", page.content)
    assert b"a-wrong-key-typed-in" not in page.content


def test_an_admins_key_opens_the_admin(client, admin):
    response = client.post(LOGIN, {"api_key": admin.secret})

    assert response.status_code == 302
    assert response.headers["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200
    assert facts("auth_succeeded")[0]["provider"] == "login_key"


def test_it_goes_on_to_where_somebody_wanted_to_go(client, admin):
    response = client.post(LOGIN, {"api_key": admin.secret, "next": "/admin/accounts/user/"})
    elsewhere = Client().post(LOGIN, {"api_key": admin.secret, "next": "https://evil.example/"})

    assert response.headers["Location"] == "/admin/accounts/user/"
    assert elsewhere.headers["Location"] == "/admin/"


def test_an_admins_password_opens_the_admin_whatever_the_case_of_the_address(client):
    make_member(role="admin", email="Ada@example.com", password=PASSWORD)

    response = client.post(LOGIN, {"username": "ada@EXAMPLE.com", "password": PASSWORD})

    assert response.status_code == 302
    assert client.get("/admin/").status_code == 200


@pytest.mark.parametrize(
    "typed",
    [
        {"username": "admin@example.com", "password": "wrong"},
        {"username": "nobody@example.com", "password": PASSWORD},
        {"username": "admin@example.com", "password": ""},
        {"api_key": "sp_live_" + "0" * 40},
        {},
    ],
)
def test_it_stays_closed_to_anything_else(client, admin, typed):
    response = client.post(LOGIN, typed)

    assert response.status_code == 200
    assert client.get("/admin/").status_code == 302


def test_it_is_for_admins_only(client, teammate):
    response = client.post(LOGIN, {"api_key": teammate.secret})

    assert b"These pages are for admins." in response.content
    assert facts("auth_failed")[-1]["reason"] == "not_an_admin"
    assert client.get("/admin/").status_code == 302


def test_a_limited_key_does_not_become_an_unlimited_session(client):
    limited = make_member(role="admin", limited_to=["runs:read"])

    response = client.post(LOGIN, {"api_key": limited.secret})

    assert b"limited to some capabilities" in response.content
    assert client.get("/admin/").status_code == 302


def test_a_session_ends_with_the_key_that_opened_it(client, admin):
    client.post(LOGIN, {"api_key": admin.secret})
    assert client.get("/admin/").status_code == 200

    revoke_key(key_id=admin.key.pk, actor="test")

    assert client.get("/admin/").status_code == 302
    assert client.get("/v1/runs").status_code == 401


def test_a_session_ends_when_its_key_expires(client, admin):
    client.post(LOGIN, {"api_key": admin.secret})

    expire(admin.key, timezone.now() - timedelta(seconds=1))

    assert client.get("/admin/").status_code == 302


def test_a_session_outlives_the_other_keys_of_its_user(client, admin):
    other = issue_key(user_id=admin.user.pk, actor="test")
    client.post(LOGIN, {"api_key": admin.secret})

    revoke_key(key_id=other.key.pk, actor="test")

    assert client.get("/admin/").status_code == 200


def test_a_session_ends_when_its_user_is_deactivated(client, admin):
    make_member(role="admin")  # somebody must stay
    client.force_login(admin.user)

    deactivate_user(user_id=admin.user.pk, actor="test")

    assert client.get("/admin/").status_code == 302
    assert client.get("/v1/runs").status_code == 401


def test_a_login_session_is_a_credential_of_the_api(client, owner):
    client.force_login(owner.user)

    response = client.get("/v1/runs")

    assert response.json()["actor"] == owner.user.pk
    assert response.json()["provider"] == "session"


def test_a_login_session_needs_the_csrf_token_to_change_anything(owner):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(owner.user)

    assert browser.get("/v1/runs").status_code == 200
    assert browser.post("/v1/runs").status_code == 403
    assert browser.post("/v1/runs", headers=owner.headers).status_code == 200
    assert facts("auth_failed")[-1]["reason"] == "csrf_failed"


def test_passwords_cannot_be_guessed_for_long(client):
    make_member(role="admin", email="admin@example.com", password=PASSWORD)
    for _ in range(PER_MINUTE):
        # The same counter as for keys, which are cheaper to get wrong than passwords.
        client.get("/v1/runs", headers={"X-API-Key": "wrong-wrong-wrong-wrong"})

    response = client.post(LOGIN, {"username": "admin@example.com", "password": PASSWORD})

    assert response.status_code == 429
    assert int(response.headers["Retry-After"]) >= 1
    assert client.get("/admin/").status_code == 302


def test_wrong_logins_count_as_wrong_credentials(client, admin):
    for _ in range(PER_MINUTE):
        client.post(LOGIN, {"api_key": "wrong-wrong-wrong-wrong"})

    response = client.post(LOGIN, {"api_key": "wrong-wrong-wrong-wrong"})

    assert response.status_code == 429
    assert client.post(LOGIN, {"api_key": admin.secret}).status_code == 302


def test_somebody_logged_in_is_sent_on(admin_client):
    assert admin_client.get(LOGIN).headers["Location"] == "/admin/"
