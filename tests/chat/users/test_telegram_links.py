"""/api/settings/auth/users/:id/telegram: which Telegram account is a user's."""

from typing import Any

import pytest

from chat.services import telegram_links
from tests.accounts.cast import facts
from tests.chat.callers import Caller, make_caller

pytestmark = pytest.mark.django_db


def link_of(caller: Caller) -> str:
    assert caller.member is not None
    return f"/api/settings/auth/users/{caller.member.user.pk}/telegram"


def test_who_is_not_linked_has_an_empty_link(admin: Caller, member: Caller):
    assert admin.get(link_of(member)).json() == {}
    assert admin.get("/api/settings/auth/users/nobody/telegram").json() == {}
    assert admin.delete(link_of(member)).json() == {"status": "ok"}


def test_a_link_is_known_by_id_and_by_name(admin: Caller, member: Caller):
    made = admin.put(link_of(member), {"telegram_id": 2**40, "username": "@Ada_L"}).json()

    assert (made["telegram_id"], made["username"]) == (2**40, "ada_l")
    assert made["linked_at"].endswith("+00:00")
    assert admin.get(link_of(member)).json() == made
    for found in (telegram_links.find_by_id(2**40), telegram_links.find_by_username("@ADA_l")):
        assert found is not None and found.user == member.member.user  # type: ignore[union-attr]


def test_a_new_link_takes_the_place_of_the_old_one(admin: Caller, member: Caller):
    admin.put(link_of(member), {"telegram_id": 1, "username": "one"})

    admin.put(link_of(member), {"username": "two"})

    assert admin.get(link_of(member)).json()["telegram_id"] is None
    assert telegram_links.find_by_id(1) is None


@pytest.mark.parametrize("body", [{"telegram_id": 7}, {"username": "@ADA"}])
def test_somebody_elses_account_is_taken_only_by_force(
    admin: Caller, member: Caller, body: dict[str, Any]
):
    other = make_caller()
    admin.put(link_of(other), {"telegram_id": 7, "username": "ada"})

    refused = admin.put(link_of(member), body)
    assert refused.status_code == 409
    assert admin.get(link_of(member)).json() == {}
    forced = admin.put(link_of(member), body | {"force": True})

    assert forced.status_code == 200
    assert admin.get(link_of(other)).json() == {}
    taken = facts("telegram_unlinked")[-1]
    assert taken["user_id"] == other.member.user.pk  # type: ignore[union-attr]
    assert taken["actor"] == admin.member.user.pk  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 400, "Provide a Telegram ID or username"),
        ({"username": " @ "}, 400, "Provide a Telegram ID or username"),
        ({"telegram_id": 2**63}, 400, "telegram_id"),
        ({"telegram_id": "7"}, 422, "telegram_id"),
        ({"username": "x" * 65}, 400, "username"),
    ],
)
def test_what_is_no_account_is_refused_and_the_old_link_stays(
    admin: Caller, member: Caller, body: dict[str, Any], status: int, said: str
):
    admin.put(link_of(member), {"telegram_id": 7})

    answer = admin.put(link_of(member), body)

    assert answer.status_code == status
    assert said in answer.json()["error"]
    assert admin.get(link_of(member)).json()["telegram_id"] == 7


def test_an_unknown_user_cannot_be_linked(admin: Caller):
    answer = admin.put("/api/settings/auth/users/nobody/telegram", {"telegram_id": 1})

    assert (answer.status_code, answer.json()) == (404, {"error": "User not found"})


def test_an_account_of_a_deactivated_user_speaks_for_nobody(admin: Caller, member: Caller):
    admin.put(link_of(member), {"telegram_id": 7, "username": "ada"})

    admin.post(link_of(member).replace("/telegram", "/deactivate"))

    assert telegram_links.find_by_id(7) is None
    assert telegram_links.find_by_username("ada") is None


def test_unlinking_is_on_record(admin: Caller, member: Caller):
    admin.put(link_of(member), {"telegram_id": 7})
    admin.delete(link_of(member))

    assert admin.get(link_of(member)).json() == {}
    assert facts("telegram_linked")[-1]["telegram_id"] == 7
    assert facts("telegram_unlinked")[-1]["user_id"] == member.member.user.pk  # type: ignore[union-attr]
