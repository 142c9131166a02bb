"""Thirty wrong keys a minute from one address, then it is told to wait."""

import time

import pytest

from accounts.attempts import PER_MINUTE, network_of
from tests.accounts.cast import facts, verifications

pytestmark = pytest.mark.django_db


def send_wrong_keys(client, count: int, address: str = "203.0.113.7") -> list[int]:
    return [
        client.get(
            "/v1/runs", headers={"X-API-Key": f"wrong-key-number-{n}"}, REMOTE_ADDR=address
        ).status_code
        for n in range(count)
    ]


def test_the_thirty_first_wrong_key_is_429_with_retry_after(client, owner):
    statuses = send_wrong_keys(client, PER_MINUTE)

    response = client.get(
        "/v1/runs", headers={"X-API-Key": "another-wrong-one"}, REMOTE_ADDR="203.0.113.7"
    )

    assert statuses == [401] * PER_MINUTE
    assert response.status_code == 429
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    assert facts("auth_failed")[-1]["reason"] == "too_many_attempts"


def test_a_valid_key_still_passes_from_there(client, owner):
    send_wrong_keys(client, PER_MINUTE + 1)

    response = client.get("/v1/runs", headers=owner.headers, REMOTE_ADDR="203.0.113.7")

    assert response.status_code == 200


def test_other_addresses_are_not_affected(client, owner):
    send_wrong_keys(client, PER_MINUTE + 1)

    assert send_wrong_keys(client, 1, address="203.0.113.8") == [401]


def test_a_throttled_address_costs_no_more_argon2(client, owner):
    send_wrong_keys(client, PER_MINUTE)
    before = verifications()

    send_wrong_keys(client, 5)

    assert verifications() == before


def test_sending_nothing_is_not_a_wrong_key(client, owner):
    statuses = [client.get("/v1/runs").status_code for _ in range(PER_MINUTE + 5)]

    assert set(statuses) == {401}


def test_of_requests_with_nothing_the_first_thirty_a_minute_are_recorded(client, owner):
    for _ in range(PER_MINUTE + 5):
        client.get("/v1/runs", REMOTE_ADDR="203.0.113.7")
    client.get("/v1/runs", REMOTE_ADDR="203.0.113.8")

    addresses = [fact["remote_addr"] for fact in facts("auth_failed")]
    assert addresses == ["203.0.113.7"] * PER_MINUTE + ["203.0.113.8"]


def test_a_later_record_tells_how_many_were_left_out(client, owner, monkeypatch):
    for _ in range(PER_MINUTE + 5):
        client.get("/v1/runs")

    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 61)
    for _ in range(2):
        client.get("/v1/runs")

    later = facts("auth_failed")[PER_MINUTE:]
    assert [fact.get("unrecorded") for fact in later] == [5, None]


def test_sending_nothing_uses_up_no_wrong_keys(client, owner):
    for _ in range(PER_MINUTE + 5):
        client.get("/v1/runs", REMOTE_ADDR="203.0.113.7")

    assert send_wrong_keys(client, 1) == [401]
    assert facts("auth_failed")[-1]["reason"] == "invalid_api_key"


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "a-wrong-key"}], ids=["nothing", "wrong"])
def test_a_long_path_is_recorded_shortened(client, owner, headers):
    client.get("/v1/" + "x" * 60_000, headers=headers)

    assert [len(fact["route"]) for fact in facts("auth_failed")] == [200]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("", "unknown"),
    ],
)
def test_who_is_counted(address, network):
    assert network_of(address) == network
