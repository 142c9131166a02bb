"""Receivers on this machine, which the programs under test may reach."""

from collections.abc import Iterator
from typing import Any

import pytest

from accounts import verification
from chat.webhooks import outbox
from tests.chat.webhooks.office import Office
from tests.chat.webhooks.receiver import Receiver
from tests.conftest import _server_factory
from tests.server import RunningServer

ALLOWED = {"STARPORT_SSRF_ALLOW": "127.0.0.0/8", "STARPORT_DRAIN_SECONDS": "0"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def office(db: None, settings: Any) -> Iterator[Office]:
    settings.STARPORT_SSRF_ALLOW = ["127.0.0.0/8"]
    settings.STARPORT_AUDIT_FLUSH_MS = 0
    verification.forget()
    outbox.forget()
    yield Office()
    outbox.forget()


@pytest.fixture(scope="module")
def telling_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that may reach the receivers of tests."""
    with _server_factory(tmp_path_factory) as start:
        yield start(env=ALLOWED)
