"""A fresh install is open to whoever sits at the machine, and to nobody else."""

import pytest
from django.db import connection

from tests.accounts.cast import facts, make_member

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_it_is_open_to_a_loopback_peer_while_there_is_no_user(client, address):
    response = client.get("/v1/runs", REMOTE_ADDR=address)

    assert response.status_code == 200
    assert response.json() == {
        "actor": "anonymous",
        "provider": "open",
        "user": "AnonymousUser",
        "sees_all_runs": True,
    }
    assert facts("auth_succeeded")[-1]["provider"] == "open"


@pytest.mark.parametrize("address", ["192.168.1.5", "10.0.0.1", "8.8.8.8", "fe80::1", "", "unix:"])
def test_it_is_closed_to_any_other_peer(client, address):
    assert client.get("/v1/runs", REMOTE_ADDR=address).status_code == 401


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Real-IP", "Via"],
)
def test_any_forwarding_header_ends_it(client, header):
    assert client.get("/v1/runs", headers={header: "127.0.0.1"}).status_code == 401


def test_a_user_ends_it_even_a_deactivated_one(client):
    member = make_member(role="user")
    member.user.is_active = False
    member.user.save()

    assert client.get("/v1/runs").status_code == 401


def test_a_daemon_token_ends_it(client, settings):
    settings.STARLINGD_TOKEN = "daemon-secret"

    assert client.get("/v1/runs").status_code == 401


def test_the_cleared_profile_never_opens(client, settings):
    settings.STARPORT_PROFILE = "cleared"

    assert client.get("/v1/runs").status_code == 401


def test_a_page_of_another_site_cannot_use_it(client):
    foreign = client.post("/v1/runs", headers={"Origin": "https://evil.example"})
    opaque = client.post("/v1/runs", headers={"Origin": "null"})
    own = client.post("/v1/runs", headers={"Origin": "http://testserver"})

    assert (foreign.status_code, opaque.status_code, own.status_code) == (401, 401, 200)


def test_a_name_that_is_not_ours_cannot_be_pointed_at_it(client):
    assert client.get("/v1/runs", HTTP_HOST="rebound.example").status_code == 400


@pytest.mark.parametrize("header", ["X-API-Key", "Authorization"])
def test_a_wrong_credential_is_not_passed_over(client, header):
    value = "Bearer wrong" if header == "Authorization" else "wrong"

    assert client.get("/v1/runs", headers={header: value}).status_code == 401


@pytest.mark.django_db(transaction=True)
def test_a_database_that_does_not_answer_lets_nobody_in(client):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_user RENAME TO accounts_user_away")
    try:
        response = client.get("/v1/runs")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE accounts_user_away RENAME TO accounts_user")

    assert response.status_code == 503
    assert b"accounts_user" not in response.content
