"""Settings as an administrator changes them, over HTTP and in the admin, in this process."""

from collections.abc import Callable, Iterator

import pytest
from django.test import Client

from accounts import verification
from chat.live_settings import reading
from chat.models import Secret, SettingGroup
from runs import operator_settings
from tests.chat.settings.callers import Caller
from tests.factories import make_key, make_user

AsRole = Callable[[str], Caller]


@pytest.fixture(autouse=True)
def _nothing_remembered(db: None, settings) -> Iterator[None]:
    """Every decision stored at once, and nothing known from another test."""
    settings.STARPORT_AUDIT_FLUSH_MS = 0
    verification.forget()
    reading.forget()
    yield
    SettingGroup.objects.all().delete()
    Secret.objects.all().delete()
    operator_settings.refresh()


@pytest.fixture
def as_role(django_capture_on_commit_callbacks) -> AsRole:
    """A new user of a role, with a key."""
    return lambda role: Caller(
        Client(headers={"X-API-Key": make_key(role=role).secret}),
        django_capture_on_commit_callbacks,
    )


@pytest.fixture
def admin(as_role: AsRole) -> Caller:
    return as_role("admin")


@pytest.fixture
def back_office(django_capture_on_commit_callbacks) -> Caller:
    """An administrator who has logged in."""
    client = Client()
    client.force_login(make_user(role="admin", display_name="Ada"))
    return Caller(client, django_capture_on_commit_callbacks)
