"""A fake backend, and a server that is configured with it."""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from pytest_django.fixtures import SettingsWrapper

from tests.conftest import _server_factory
from tests.instances.fake_backend import FakeBackend
from tests.server import RunningServer

KEY = "key-of-the-backend"
#: What the server of `fleet` is started with, beside the address: nobody polls on its own.
QUIET = {"STARPOD_INSTANCE_API_KEY": KEY, "STARPORT_INSTANCE_POLL_SECONDS": "86400"}


@dataclass(frozen=True)
class Fleet:
    """A server and the backend that it asks."""

    server: RunningServer
    backend: FakeBackend

    @property
    def client(self) -> httpx.Client:
        """The administrator's."""
        return self.server.client


@pytest.fixture
def backend() -> Iterator[FakeBackend]:
    """A backend of one's own, which wants `KEY`."""
    made = FakeBackend(key=KEY)
    yield made
    made.close()


@pytest.fixture
def configured(settings: SettingsWrapper, backend: FakeBackend) -> FakeBackend:
    """That backend, as the one that services in this process ask."""
    settings.STARPORT_INSTANCE_BACKEND_URL = backend.url
    settings.STARPORT_INSTANCE_API_KEY = KEY
    return backend


@pytest.fixture(scope="session")
def _fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    backend = FakeBackend(key=KEY)
    with _server_factory(tmp_path_factory) as start:
        env = {"STARPOD_INSTANCE_BACKEND_URL": backend.url, **QUIET}
        yield Fleet(start(env=env, workers=0), backend)
    backend.close()


@pytest.fixture
def fleet(_fleet: Fleet) -> Iterator[Fleet]:
    """One server for all tests that leave it as they found it; the backend is as new for each."""
    _fleet.backend.reset()
    yield _fleet
    _fleet.backend.reset()
