"""argon2 is paid once per key, not once per request."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.test import Client

from tests.accounts.cast import make_member, verifications


@pytest.mark.django_db
def test_a_thousand_requests_with_one_key_cost_one_verification(client, owner):
    before = verifications()

    for _ in range(1000):
        assert client.get("/plain", headers=owner.headers).status_code == 200

    assert verifications() - before == 1


@pytest.mark.django_db(transaction=True)
def test_sixteen_first_requests_at_once_share_one_verification(flush_audit):
    owner = make_member()
    before = verifications()

    def ask(_: int) -> int:
        try:
            return Client().get("/plain", headers=owner.headers).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(ask, range(16)))

    assert statuses == [200] * 16
    assert verifications() - before == 1


@pytest.mark.django_db
def test_an_unknown_prefix_takes_as_long_as_a_known_one(client, owner):
    before = verifications()

    client.get("/plain", headers={"X-API-Key": "sp_live_" + "0" * 40})

    assert verifications() - before == 1


@pytest.mark.django_db
def test_a_remembered_key_costs_one_query(client, owner, django_assert_num_queries, settings):
    client.get("/plain", headers=owner.headers)
    # The decision is queued for after the transaction that a test runs in.
    settings.STARPORT_AUDIT_FLUSH_MS = 1

    with django_assert_num_queries(1):
        client.get("/plain", headers=owner.headers)
