"""A key that may only manage users does not get at anything else by managing users."""

import pytest

from accounts.models import ApiKey, User
from chat.models import TelegramLink
from tests.accounts.cast import make_member
from tests.chat.callers import Caller, make_caller

pytestmark = pytest.mark.django_db

AUTH = "/api/settings/auth"


@pytest.fixture
def clerk() -> Caller:
    """An administrator's key for the management of users, and for chats."""
    return make_caller("admin", limited_to=["users:manage", "chat:use"])


def id_of(caller: Caller) -> str:
    assert caller.member is not None
    return caller.member.user.pk


@pytest.mark.parametrize(
    "body",
    [{}, {"capabilities": ["settings:manage"]}, {"capabilities": ["chat:use", "runs:read"]}],
)
def test_it_issues_no_key_that_may_more(clerk: Caller, body: dict[str, object]):
    keys = ApiKey.objects.count()

    answer = clerk.post(f"{AUTH}/users/{id_of(clerk)}/api-keys", body)

    assert answer.status_code == 403
    assert answer.json()["error"].startswith("This would give more than you hold: ")
    assert ApiKey.objects.count() == keys


def test_it_issues_keys_that_may_no_more(clerk: Caller):
    body = {"capabilities": ["chat:use"]}

    issued = clerk.post(f"{AUTH}/users/{id_of(clerk)}/api-keys", body)

    assert issued.status_code == 201
    assert issued.json()["meta"]["capabilities"] == ["chat:use"]


def test_it_creates_users_but_no_administrator(clerk: Caller):
    assert clerk.post(f"{AUTH}/users", {}).status_code == 201
    users = User.objects.count()

    refused = clerk.post(f"{AUTH}/users", {"role": "admin"})

    assert refused.status_code == 403
    assert User.objects.count() == users


def test_it_raises_nobody(clerk: Caller):
    accomplice = make_member(role="viewer").user

    refused = clerk.put(f"{AUTH}/users/{accomplice.pk}", {"role": "operator", "email": "a@b.cd"})

    assert refused.status_code == 403
    accomplice.refresh_from_db()
    assert (accomplice.role, accomplice.email) == ("viewer", None)


def test_it_demotes_and_shuts_out_and_does_not_let_in_again(clerk: Caller):
    admin = make_member(role="admin").user
    path = f"{AUTH}/users/{admin.pk}"

    assert clerk.put(path, {"role": "viewer"}).status_code == 200
    assert clerk.post(f"{path}/deactivate").status_code == 200
    assert clerk.post(f"{path}/activate").status_code == 403
    admin.refresh_from_db()
    assert (admin.role, admin.is_active) == ("viewer", False)


def test_it_lets_no_telegram_account_speak_for_who_may_more(clerk: Caller):
    refused = clerk.put(f"{AUTH}/users/{id_of(clerk)}/telegram", {"telegram_id": 7})

    assert refused.status_code == 403
    assert not TelegramLink.objects.exists()


def test_an_unlimited_administrator_is_bound_by_nothing():
    admin, user = make_caller("admin"), make_member(role="user").user

    assert admin.post(f"{AUTH}/users", {"role": "admin"}).status_code == 201
    assert admin.post(f"{AUTH}/users/{user.pk}/api-keys").status_code == 201
    assert admin.put(f"{AUTH}/users/{user.pk}", {"role": "admin"}).status_code == 200
