"""Those who look, each with their way in."""

import pytest
from django.test import Client

from tests.factories import make_user
from tests.runs.inspector.conftest import (  # noqa: F401
    _nothing_remembered,
    admin,
    admin_client,
    text_of,
)


@pytest.fixture(autouse=True)
def _decisions_are_stored_at_once(settings) -> None:
    settings.STARPORT_AUDIT_FLUSH_MS = 0


@pytest.fixture
def viewer_client(db) -> Client:
    """A browser with the login of somebody who may only look."""
    client = Client()
    client.force_login(make_user(role="viewer"))
    return client
