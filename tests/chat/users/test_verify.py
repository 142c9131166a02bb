"""GET /api/auth/verify and /api/health: anybody may ask, and always learns where they stand."""

from typing import Any

import pytest
from django.db import connection

from accounts import attempts
from accounts.services.api_keys import revoke_key
from accounts.services.users import deactivate_user
from project.version import VERSION
from tests.accounts.cast import make_member
from tests.chat.callers import Caller, make_caller

pytestmark = pytest.mark.django_db

UNKNOWN = {"authenticated": False, "auth_disabled": False}
NO_KEY = "sp_live_" + "0" * 40


def verify(client: Any, key: str = "", **extra: Any) -> Any:
    headers = {"X-API-Key": key} if key else {}
    return client.get("/api/auth/verify", headers=headers, **extra)


def test_without_users_everybody_at_the_machine_is_in_and_is_nobody(client: Any):
    answer = verify(client)

    assert (answer.status_code, answer.json()) == (
        200,
        {"authenticated": True, "auth_disabled": True},
    )


def test_without_users_others_are_not_in(client: Any):
    assert verify(client, REMOTE_ADDR="192.168.1.5").json() == UNKNOWN


def test_a_key_is_told_whose_it_is(client: Any, admin: Caller):
    assert admin.member is not None
    answer = verify(client, admin.member.secret)

    assert answer.json() == {
        "authenticated": True,
        "auth_disabled": False,
        "user": {
            "id": admin.member.user.pk,
            "display_name": None,
            "role": "admin",
            "filesystem_enabled": False,
        },
    }


def test_what_does_not_count_is_no_error(client: Any, admin: Caller):
    gone, out = make_member(), make_member()
    revoke_key(key_id=gone.key.pk, actor="test")
    deactivate_user(user_id=out.user.pk, actor="test")

    for key in ("", NO_KEY, "nö", gone.secret, out.secret):
        answer = verify(client, key)

        assert (answer.status_code, answer.json()) == (200, UNKNOWN), key


def test_a_credential_without_a_user_is_not_taken_for_an_open_server(client: Any, settings: Any):
    make_member()
    settings.STARLINGD_TOKEN = "the-daemon-token"

    answer = client.get("/api/auth/verify", headers={"Authorization": "Bearer the-daemon-token"})

    assert answer.json()["auth_disabled"] is False
    assert answer.json()["user"]["id"] == "daemon"
    assert answer.json()["user"]["role"] == "user"


@pytest.mark.django_db(transaction=True)
def test_a_database_that_does_not_answer_lets_nobody_in(client: Any):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_user RENAME TO accounts_user_away")
    try:
        answer = verify(client)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE accounts_user_away RENAME TO accounts_user")

    assert (answer.status_code, answer.json()) == (200, UNKNOWN)


def test_who_tries_key_after_key_is_told_to_wait_and_a_good_key_still_passes(
    client: Any, admin: Caller
):
    assert admin.member is not None
    for _ in range(attempts.PER_MINUTE):
        assert verify(client, NO_KEY).status_code == 200

    refused = verify(client, NO_KEY)

    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) >= 1
    assert verify(client, admin.member.secret).json()["authenticated"] is True


def test_health_answers_anybody_with_the_version(client: Any):
    make_caller("user")

    answer = client.get("/api/health")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "version": VERSION})


@pytest.mark.parametrize("path", ["/api/health", "/api/auth/verify"])
def test_other_methods_are_refused_with_those_that_are_not(client: Any, path: str):
    answer = client.post(path)

    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")
    head = client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Cache-Control"] == "no-store"
