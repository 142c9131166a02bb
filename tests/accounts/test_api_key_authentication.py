"""What a caller gets for the key they present."""

from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from django.utils import timezone

from accounts.models import ApiKey
from accounts.services.api_keys import revoke_key
from accounts.services.users import deactivate_user
from tests.accounts.cast import expire, facts, make_member

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("header", "scheme"),
    [("X-API-Key", ""), ("Authorization", "Bearer "), ("Authorization", "ApiKey ")],
)
def test_it_accepts_a_key_in_each_of_its_places(client, owner, header, scheme):
    response = client.get("/v1/runs", headers={header: scheme + owner.secret})

    assert response.status_code == 200
    assert response.json()["actor"] == owner.user.pk
    assert response.json()["provider"] == "api_key"
    assert response.json()["user"] == "owner@example.com"


def test_it_answers_401_with_a_challenge_when_nothing_is_sent(client, owner):
    response = client.get("/v1/runs")

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'ApiKey realm="stargraph"'
    assert facts("auth_failed")[-1]["reason"] == "missing_api_key"


@pytest.mark.parametrize(
    "secret",
    ["sp_live_" + "0" * 40, "nonsense", "sp_live_", "ключ", "x" * 5000, "a b", "\x7f"],
)
def test_it_refuses_a_key_that_nobody_has(client, owner, secret):
    response = client.get("/v1/runs", headers={"X-API-Key": secret})

    assert response.status_code == 401
    assert response.json() == {"detail": "invalid_api_key"}
    assert response.headers["WWW-Authenticate"] == 'ApiKey realm="stargraph"'


def test_it_refuses_a_key_with_the_prefix_of_another(client, owner):
    forged = owner.secret[:16] + "0" * 32

    response = client.get("/v1/runs", headers={"X-API-Key": forged})

    assert response.status_code == 401


def test_it_refuses_a_revoked_key_on_the_next_request(client, owner):
    assert client.get("/v1/runs", headers=owner.headers).status_code == 200

    revoke_key(key_id=owner.key.pk, actor="test")

    assert client.get("/v1/runs", headers=owner.headers).status_code == 401
    assert facts("auth_failed")[-1]["reason"] == "revoked_api_key"
    assert facts("auth_failed")[-1]["actor"] == owner.user.pk


def test_it_refuses_an_expired_key_on_the_next_request(client, owner):
    expire(owner.key, timezone.now() + timedelta(hours=1))
    assert client.get("/v1/runs", headers=owner.headers).status_code == 200

    expire(owner.key, timezone.now() - timedelta(seconds=1))

    assert client.get("/v1/runs", headers=owner.headers).status_code == 401
    assert facts("auth_failed")[-1]["reason"] == "expired_api_key"


def test_it_refuses_every_key_of_a_deactivated_user_on_the_next_request(client, owner):
    assert client.get("/v1/runs", headers=owner.headers).status_code == 200

    deactivate_user(user_id=owner.user.pk, actor="test")

    assert client.get("/v1/runs", headers=owner.headers).status_code == 401
    assert facts("auth_failed")[-1]["reason"] == "inactive_user"


def test_the_first_credential_decides_even_when_a_later_one_is_good(client, owner):
    client.force_login(owner.user)

    response = client.get(
        "/v1/runs",
        headers={"X-API-Key": "wrong-wrong-wrong", "Authorization": f"Bearer {owner.secret}"},
    )

    assert response.status_code == 401


@pytest.mark.parametrize("scheme", ["bearer ", "BEARER ", "Token ", "Basic ", ""])
def test_it_takes_the_scheme_word_exactly(client, owner, scheme):
    response = client.get("/v1/runs", headers={"Authorization": scheme + owner.secret})

    assert response.status_code == 401


def test_it_accepts_a_key_in_the_address_of_a_stream_only(client, owner):
    in_stream = client.get("/v1/stream", query_params={"token": owner.secret})
    elsewhere = client.get("/v1/runs", query_params={"token": owner.secret})

    assert in_stream.status_code == 200
    assert elsewhere.status_code == 401


def test_it_notes_the_use_of_a_key_once_a_minute(client, owner):
    client.get("/v1/runs", headers=owner.headers)
    first = ApiKey.objects.get(pk=owner.key.pk).last_used_at

    client.get("/v1/runs", headers=owner.headers)

    assert first is not None
    assert ApiKey.objects.get(pk=owner.key.pk).last_used_at == first


def test_a_hash_that_was_made_elsewhere_counts_by_its_own_parameters(client, owner):
    elsewhere = PasswordHasher(time_cost=1, memory_cost=64, parallelism=2, hash_len=16)
    ApiKey.objects.filter(pk=owner.key.pk).update(key_hash=elsewhere.hash(owner.secret))

    assert client.get("/v1/runs", headers=owner.headers).status_code == 200
    wrong = {"X-API-Key": owner.secret[:-1] + ("0" if owner.secret[-1] != "0" else "1")}
    assert client.get("/v1/runs", headers=wrong).status_code == 401


def test_two_keys_may_share_a_prefix(client, owner, teammate):
    ApiKey.objects.filter(pk=teammate.key.pk).update(prefix=owner.key.prefix)

    response = client.get("/v1/runs", headers=owner.headers)

    assert response.json()["actor"] == owner.user.pk


def test_the_trail_names_route_method_address_and_key_owner_but_no_secret(client, owner):
    client.get("/v1/stream?token=" + owner.secret)

    fact = facts("auth_succeeded")[-1]
    assert fact == {
        "kind": "auth_succeeded",
        "actor": owner.user.pk,
        "provider": "api_key",
        "route": "/v1/stream",
        "method": "GET",
        "reason": None,
        "remote_addr": "127.0.0.1",
    }


def test_a_view_outside_drf_is_authenticated_the_same_way(client, owner):
    assert client.get("/plain", headers=owner.headers).json() == {"actor": owner.user.pk}


def test_a_key_of_a_limited_owner_gains_nothing_by_naming_more(client):
    viewer = make_member(role="viewer", limited_to=["runs:read", "runs:start"])

    assert client.get("/v1/runs", headers=viewer.headers).status_code == 200
    assert client.post("/v1/runs", headers=viewer.headers).status_code == 403
