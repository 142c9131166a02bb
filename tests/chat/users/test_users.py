"""/api/settings/auth/users: who there is, and what they may."""

import re
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from tests.accounts.cast import facts
from tests.chat.callers import Caller, make_caller

pytestmark = pytest.mark.django_db

USERS = "/api/settings/auth/users"


def test_a_user_is_created_with_the_fields_of_both_generations(admin: Caller):
    answer = admin.post(USERS, {"email": " ada@example.com ", "display_name": "Ada"})

    user = answer.json()
    assert answer.status_code == 201
    assert list(user) == [
        "id", "email", "display_name", "role", "is_active", "filesystem_enabled", "created_at",
        "updated_at",
    ]  # fmt: skip
    assert (user["email"], user["display_name"], user["role"]) == ("ada@example.com", "Ada", "user")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", user["created_at"])
    assert admin.get(f"{USERS}/{user['id']}").json() == user


def test_the_list_has_everybody_the_oldest_first(admin: Caller, member: Caller):
    assert member.member is not None
    admin.post(f"{USERS}/{member.member.user.pk}/deactivate")

    listed = admin.get(USERS).json()

    assert [(user["email"], user["is_active"]) for user in listed] == [
        ("admin@example.com", True),
        ("member@example.com", False),
    ]


@pytest.mark.parametrize("role", User.Role.values)
def test_every_role_can_be_given(admin: Caller, role: str):
    assert admin.post(USERS, {"role": role}).json()["role"] == role


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"email": "member@example.com"}, 409, "Email already in use"),
        ({"email": "MEMBER@example.com"}, 409, "Email already in use"),
        ({"email": "nobody"}, 400, "email"),
        ({"email": "a@" + "b" * 260 + ".example"}, 400, "email"),
        ({"display_name": "x" * 101}, 400, "display_name"),
        ({"role": "emperor"}, 400, "role"),
        ({"role": 1}, 422, "role"),
        ({"email": True}, 422, "email"),
        ({"filesystem_enabled": "yes"}, 422, "filesystem_enabled"),
    ],
)
def test_what_is_no_user_is_refused_and_changes_nothing(
    admin: Caller, member: Caller, body: dict[str, Any], status: int, said: str
):
    assert member.member is not None
    created = admin.post(USERS, body)
    changed = admin.put(f"{USERS}/{make_caller().member.user.pk}", body)  # type: ignore[union-attr]

    for answer in (created, changed):
        assert answer.status_code == status
        assert said in answer.json()["error"]
    assert User.objects.count() == 3


def test_a_change_leaves_alone_what_it_does_not_name(admin: Caller, member: Caller):
    assert member.member is not None
    path = f"{USERS}/{member.member.user.pk}"
    admin.put(path, {"display_name": "Member", "filesystem_enabled": True})

    user = admin.put(path, {"role": "operator", "email": None, "unknown": 1}).json()

    assert (user["email"], user["display_name"]) == ("member@example.com", "Member")
    assert (user["role"], user["filesystem_enabled"]) == ("operator", True)


def test_an_empty_text_clears_a_field(admin: Caller, member: Caller):
    assert member.member is not None
    user = admin.put(f"{USERS}/{member.member.user.pk}", {"email": " ", "display_name": ""}).json()

    assert (user["email"], user["display_name"]) == (None, None)


def test_the_last_administrator_stays_one(admin: Caller):
    assert admin.member is not None
    path = f"{USERS}/{admin.member.user.pk}"

    assert admin.put(path, {"role": "user"}).status_code == 409
    assert admin.get(path).json()["role"] == "admin"


def test_nobody_deactivates_themselves(admin: Caller):
    make_caller("admin")
    assert admin.member is not None

    answer = admin.post(f"{USERS}/{admin.member.user.pk}/deactivate")

    assert (answer.status_code, answer.json()) == (400, {"error": "Cannot deactivate yourself"})


def test_a_deactivated_user_is_out_until_activated(admin: Caller, member: Caller):
    assert member.member is not None
    path = f"{USERS}/{member.member.user.pk}"

    assert admin.post(f"{path}/deactivate").json() == {"status": "ok"}
    out = member.get("/v1/runs").status_code
    assert admin.post(f"{path}/activate").json() == {"status": "ok"}

    assert (out, member.get("/v1/runs").status_code) == (401, 200)


@pytest.mark.parametrize("method", ["get", "put"])
def test_an_unknown_user_is_not_found(admin: Caller, method: str):
    path = f"{USERS}/nobody"
    answer = admin.get(path) if method == "get" else admin.put(path, {})

    assert (answer.status_code, answer.json()) == (404, {"error": "User not found"})


@pytest.mark.parametrize("path", ["activate", "deactivate", "api-keys"])
def test_nothing_is_done_to_an_unknown_user(admin: Caller, path: str):
    answer = admin.post(f"{USERS}/nobody/{path}")

    assert (answer.status_code, answer.json()) == (404, {"error": "User not found"})


@pytest.mark.parametrize("role", ["user", "operator", "viewer", "responder", "analyst"])
def test_only_administrators_see_settings(role: str):
    answer = make_caller(role).get(USERS)

    assert (answer.status_code, answer.json()) == (403, {"error": "Admin access required"})


def test_who_may_is_asked_before_what_was_sent(admin: Caller, member: Caller):
    anybody = Client().post(USERS, "{", content_type="application/json")
    refused = Client(headers=member.member.headers).post(USERS, "{", content_type="text/plain")  # type: ignore[union-attr]

    assert anybody.json() == {"error": "Missing API key — set X-API-Key header"}
    assert (anybody.status_code, refused.status_code) == (401, 403)


def test_there_is_no_deletion_and_no_second_address(admin: Caller, member: Caller):
    assert member.member is not None
    path = f"{USERS}/{member.member.user.pk}"

    refused = admin.delete(path)

    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD, PUT")
    assert (admin.get(f"{USERS}/").status_code, admin.get(f"{path}/").status_code) == (404, 404)


def test_the_first_user_is_an_administrator_whose_key_is_shown_once(client: Any):
    wrong = client.post(USERS, {"role": "emperor"}, content_type="application/json")
    first = client.post(USERS, {"display_name": "Ada"}, content_type="application/json")
    key = first.json()["key"]

    again = client.post(USERS, {}, content_type="application/json")

    assert wrong.status_code == 400
    assert (first.status_code, first.json()["role"]) == (201, "admin")
    assert again.status_code == 401
    listed = client.get(USERS, headers={"X-API-Key": key})
    assert listed.json() == [{k: v for k, v in first.json().items() if k != "key"}]
    assert "key" not in Caller().post(USERS).json()
    assert facts("bootstrap")[-1]["actor"] == "anonymous"


def test_every_change_is_on_record_with_who_made_it(admin: Caller):
    assert admin.member is not None
    made = admin.post(USERS, {"email": "eve@example.com"}).json()
    admin.put(f"{USERS}/{made['id']}", {"role": "viewer"})

    for kind in ("user_created", "user_updated"):
        fact = facts(kind)[-1]
        assert (fact["actor"], fact["user_id"]) == (admin.member.user.pk, made["id"])
        assert "eve@example.com" not in str(fact)
