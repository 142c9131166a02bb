"""What the session list costs: the same few queries however many conversations there are."""

import pytest

from accounts.principals import user_principal
from chat.services.posting import Incoming, post_message
from chat.services.sessions import Address
from tests.factories import make_key, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.without_workers]


@pytest.fixture
def headers(settings) -> dict[str, str]:
    """Of a user with ten conversations; decisions are on record when their request ends."""
    settings.STARPORT_AUDIT_FLUSH_MS = 60_000
    settings.STARPORT_QUEUE = 100
    owner = make_user(role="user")
    caller = user_principal(user_id=owner.pk, role="user", provider="api_key")
    for number in range(10):
        post_message(Address.of(owner.pk), Incoming(f"message {number}"), caller=caller)
    return {"X-API-Key": make_key(user=owner).secret}


def test_a_list_is_one_query_beside_the_callers(client, headers, django_assert_num_queries):
    client.get("/api/sessions", headers=headers)  # the secret is remembered from here on

    for limit in (1, 10):
        with django_assert_num_queries(2):
            answer = client.get(f"/api/sessions?limit={limit}", headers=headers)
        assert len(answer.json()) == limit
