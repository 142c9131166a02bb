"""People with money to spend, on the shared server and in the test's own process."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from accounts import attempts, verification
from chat.costs import known
from tests.chat.callers import Caller, make_caller
from tests.chat.gateway import Gateway
from tests.runs.api.daemon import Daemon, as_holder_of
from tests.runs.triggers.pages import AdminPages
from tests.server import RunningServer

#: One million tokens in: a dollar with the scripted model.
DOLLAR = "!usage 1000000 0"
CALL = '!tool calculate {"expression": "6*7"}'


@dataclass(frozen=True)
class Payer:
    """A user of the shared server, with one of their keys."""

    user_id: str
    server: RunningServer
    daemon: Daemon

    @property
    def gateway(self) -> Gateway:
        return Gateway(self.daemon.client)

    def costs(self) -> dict[str, Any] | None:
        """What the report says of this user, when it says anything."""
        report = self.server.client.get("/api/settings/costs", params={"period": "7d"}).json()
        found: list[dict[str, Any]] = [
            entry for entry in report["by_user"] if entry["user_id"] == self.user_id
        ]
        return found[0] if found else None

    def until_recorded(self, runs: int) -> dict[str, Any]:
        """The report once it has so many runs; who waits in vain is cut off by the test runner."""
        while True:
            costs = self.costs()
            if costs is not None and costs["total_turns"] >= runs:
                return costs

    def facts(self, kind: str) -> list[dict[str, Any]]:
        """What the audit trail has of that kind about this user."""
        query = {"actor": self.user_id, "kind": kind}
        page = self.server.client.get("/v1/audit", params=query).json()
        return [record["fact"] for record in page["items"]]


NewPayer = Callable[..., Payer]


@pytest.fixture
def payer(server: RunningServer) -> Iterator[NewPayer]:
    """A new user, or another key of `user_id`; the key may have a limit."""
    with ExitStack() as stack:

        def enter(*, user_id: str = "", key_limit: float | None = None) -> Payer:
            users = "/api/settings/auth/users"
            user_id = user_id or server.client.post(users, json={}).json()["id"]
            body = {"spending_limit_usd": key_limit}
            issued = server.client.post(f"{users}/{user_id}/api-keys", json=body).json()
            return Payer(user_id, server, stack.enter_context(as_holder_of(server, issued["key"])))

        yield enter


@pytest.fixture(scope="module")
def pages(_shared_server: RunningServer) -> Iterator[AdminPages]:
    with AdminPages(_shared_server) as pages:
        yield pages


@pytest.fixture
def limit(pages: AdminPages) -> Callable[[Payer, float], None]:
    """Limits what a user may spend a day, on the page where administrators do."""

    def set_limit(payer: Payer, limit_usd: float) -> None:
        page = pages.post(
            "/admin/chat/spendinglimit/add/",
            user=payer.user_id,
            period="day",
            limit_usd=str(limit_usd),
        )
        assert "was added successfully" in page, page

    return set_limit


# --- In the test's own process ----------------------------------------------------------------


@pytest.fixture
def at_home(db: None, settings: Any) -> Iterator[None]:
    """Nothing remembered from another test, and every record at once."""
    settings.STARPORT_AUDIT_FLUSH_MS = 0
    settings.STARPORT_REDIS_PREFIX = f"test-{uuid4()}"
    for memory in (verification, attempts, known):
        memory.forget()
    yield
    known.forget()


@pytest.fixture
def admin(at_home: None) -> Caller:
    return make_caller("admin")


@pytest.fixture
def member(at_home: None) -> Caller:
    return make_caller("user")
