"""A fake backend, and a server that is configured with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.conftest import _server_factory
from tests.instances.fake_backend import FakeBackend
from tests.server import RunningServer

KEY = "key-of-the-backend"
#: What the server of `fleet` is started with, beside the address: it is impatient, and asks
#: the backend nothing of its own accord.
QUIET = {
    "STARPOD_INSTANCE_API_KEY": KEY,
    "STARPORT_INSTANCE_POLL_SECONDS": "86400",
    "STARPORT_INSTANCE_TIMEOUT": "1",
    "STARPORT_STREAM_HEARTBEAT_SECONDS": "1",
    "STARPORT_DRAIN_SECONDS": "0",
    "STARPORT_AUDIT_FLUSH_MS": "0",
}


@dataclass(frozen=True)
class Fleet:
    """A server and the backend that it asks."""

    server: RunningServer
    backend: FakeBackend

    @property
    def client(self) -> httpx.Client:
        """The administrator's."""
        return self.server.client

    def facts(self, kind: str, **wanted: Any) -> list[dict[str, Any]]:
        """Facts of that kind in the audit trail, the newest first."""
        answer = self.client.get("/v1/audit", params={"kind": kind, "limit": 500})
        assert answer.status_code == 200, answer.text
        facts = [record["fact"] for record in answer.json()["items"]]
        return [fact for fact in facts if wanted.items() <= fact.items()]

    @contextmanager
    def as_role(self, role: str) -> Iterator[httpx.Client]:
        """A new user of a role."""
        made = self.client.post("/api/settings/auth/users", json={"role": role})
        assert made.status_code == 201, made.text
        keys = f"/api/settings/auth/users/{made.json()['id']}/api-keys"
        issued = self.client.post(keys, json={})
        assert issued.status_code == 201, issued.text
        headers = {"X-API-Key": issued.json()["key"]}
        with httpx.Client(base_url=self.server.url, headers=headers, timeout=30.0) as client:
            yield client


@pytest.fixture
def backend() -> Iterator[FakeBackend]:
    """A backend of one's own, which wants `KEY`."""
    made = FakeBackend(key=KEY)
    yield made
    made.close()


@pytest.fixture
def configured(settings: Any, backend: FakeBackend) -> FakeBackend:
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
