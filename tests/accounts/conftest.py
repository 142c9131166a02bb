"""The cast and the surface of the accounts tests: three users, and views that need something."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from accounts import attempts, audit, verification
from tests.accounts.cast import Member, make_member


@pytest.fixture(autouse=True)
def _own_urls_and_memory(settings) -> Iterator[None]:
    """Probe views; nothing remembered from another test; every decision stored at once.

    A test that wants the background thread marks itself `transaction=True` and sets the interval.
    """
    settings.ROOT_URLCONF = "tests.accounts.urls"
    settings.STARPORT_AUDIT_FLUSH_MS = 0
    settings.STARPORT_REDIS_PREFIX = f"test-{uuid4()}"  # where counts are kept when there is Redis
    verification.forget()
    attempts.forget()
    yield


@pytest.fixture
def flush_audit(settings) -> Iterator[None]:
    """For tests that let the background thread write: it is done before the tables are emptied."""
    settings.STARPORT_AUDIT_FLUSH_MS = 1
    yield
    audit.flush()


@pytest.fixture
def owner(db) -> Member:
    return make_member(role="user", email="owner@example.com")


@pytest.fixture
def teammate(db) -> Member:
    return make_member(role="operator", email="teammate@example.com")


@pytest.fixture
def admin(db) -> Member:
    return make_member(role="admin", email="admin@example.com")


@pytest.fixture
def admin_client(client, admin):
    client.force_login(admin.user)
    return client
