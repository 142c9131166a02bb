"""What the session list costs: the same few queries however many conversations there are."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.principals import user_principal
from chat.services.posting import Incoming, post_message
from chat.services.sessions import Address
from tests.factories import make_key, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.without_workers]


@pytest.fixture
def headers(settings) -> dict[str, str]:
    """Of a user with ten conversations."""
    settings.STARPORT_AUDIT_FLUSH_MS = 0  # decisions are stored in the test that causes them
    settings.STARPORT_QUEUE = 100
    owner = make_user(role="user")
    caller = user_principal(user_id=owner.pk, role="user", provider="api_key")
    for number in range(10):
        post_message(Address.of(owner.pk), Incoming(f"message {number}"), caller=caller)
    return {"X-API-Key": make_key(user=owner).secret}


@pytest.mark.parametrize("limit", [1, 10])
def test_a_list_is_one_query_however_long_it_is(client, headers, limit: int):
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(f"/api/sessions?limit={limit}", headers=headers)

    assert len(answer.json()) == limit
    about_chat = [query["sql"] for query in queries if "chat_" in query["sql"]]
    assert len(about_chat) == 1
