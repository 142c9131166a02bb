"""An administrator and somebody who is none, in the test's own process."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from accounts import attempts, verification
from tests.chat.callers import Caller, make_caller


@pytest.fixture(autouse=True)
def _nothing_remembered(settings: Any) -> Iterator[None]:
    settings.STARPORT_AUDIT_FLUSH_MS = 0  # every record at once
    settings.STARPORT_REDIS_PREFIX = f"test-{uuid4()}"
    verification.forget()
    attempts.forget()
    yield
    attempts.forget()


@pytest.fixture
def admin(db: None) -> Caller:
    return make_caller("admin", email="admin@example.com")


@pytest.fixture
def member(db: None) -> Caller:
    return make_caller("user", email="member@example.com")
