"""/api/settings/auth/users/:id/api-keys and /api-keys/:id/revoke."""

import re
from typing import Any

import pytest

from accounts.models import ApiKey
from tests.chat.callers import Caller

pytestmark = pytest.mark.django_db

AUTH = "/api/settings/auth"


def keys_of(caller: Caller) -> str:
    assert caller.member is not None
    return f"{AUTH}/users/{caller.member.user.pk}/api-keys"


def test_a_key_is_shown_once_and_works(admin: Caller, member: Caller, client: Any):
    answer = admin.post(keys_of(member), {"label": "laptop"})

    issued = answer.json()
    assert answer.status_code == 201
    assert re.fullmatch(r"sp_live_[0-9a-f]{40}", issued["key"])
    assert issued["meta"]["prefix"] == issued["key"][8:16]
    assert issued["meta"]["label"] == "laptop"
    verified = client.get("/api/auth/verify", headers={"X-API-Key": issued["key"]}).json()
    assert verified["user"]["id"] == member.member.user.pk  # type: ignore[union-attr]
    assert issued["key"] not in admin.get(keys_of(member)).content.decode()


def test_the_list_is_newest_first_with_revoked_keys(admin: Caller, member: Caller):
    first = admin.post(keys_of(member), {}).json()["meta"]
    second = admin.post(keys_of(member), {}).json()["meta"]
    admin.post(f"{AUTH}/api-keys/{first['id']}/revoke")

    listed = admin.get(keys_of(member)).json()

    assert [key["id"] for key in listed[:2]] == [second["id"], first["id"]]
    assert listed[1]["revoked_at"] and not listed[0]["revoked_at"]
    assert {"id", "user_id", "prefix", "label", "expires_at", "revoked_at", "last_used_at",
            "created_at"} <= set(listed[0])  # fmt: skip


def test_a_key_can_be_limited(admin: Caller, member: Caller, client: Any):
    body = {"capabilities": ["runs:read"], "spending_limit_usd": 1.5,
            "expires_at": "2999-01-01T00:00:00Z"}  # fmt: skip

    issued = admin.post(keys_of(member), body).json()

    assert issued["meta"]["capabilities"] == ["runs:read"]
    assert issued["meta"]["spending_limit_usd"] == 1.5
    assert issued["meta"]["expires_at"] == "2999-01-01T00:00:00.000000Z"
    headers = {"X-API-Key": issued["key"]}
    assert client.get("/v1/runs", headers=headers).status_code == 200
    assert client.get("/v1/audit", headers=headers).status_code == 403


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"label": "x" * 101}, 400, "label"),
        ({"label": 5}, 422, "label"),
        ({"spending_limit_usd": -1}, 400, "spending_limit_usd"),
        ({"capabilities": ["runs:fly"]}, 400, "capability"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, 400, "expires_at"),
        ({"expires_at": "2999-01-01T00:00:00"}, 422, "expires_at"),
    ],
)
def test_what_is_no_key_is_refused(
    admin: Caller, member: Caller, body: dict[str, Any], status: int, said: str
):
    before = ApiKey.objects.count()

    answer = admin.post(keys_of(member), body)

    assert answer.status_code == status
    assert said in answer.json()["error"]
    assert ApiKey.objects.count() == before


def test_a_revoked_key_ends_with_the_next_request_and_stays_revoked_since_then(
    admin: Caller, member: Caller
):
    assert member.member is not None
    revoke = f"{AUTH}/api-keys/{member.member.key.pk}/revoke"
    assert member.get("/v1/runs").status_code == 200

    assert admin.post(revoke).json() == {"status": "ok"}
    refused = member.get("/v1/runs")
    since = admin.get(keys_of(member)).json()[0]["revoked_at"]
    admin.post(revoke)

    assert (refused.status_code, refused.json()) == (401, {"detail": "invalid_api_key"})
    assert admin.get(keys_of(member)).json()[0]["revoked_at"] == since


def test_an_unknown_key_is_not_found(admin: Caller):
    answer = admin.post(f"{AUTH}/api-keys/nothing/revoke")

    assert (answer.status_code, answer.json()) == (404, {"error": "API key not found"})


def test_an_unknown_users_keys_are_not_found(admin: Caller):
    assert admin.get(f"{AUTH}/users/nobody/api-keys").status_code == 404


def test_no_key_for_who_is_no_administrator(member: Caller):
    assert member.get(keys_of(member)).status_code == 403
    assert member.post(keys_of(member), {}).status_code == 403
