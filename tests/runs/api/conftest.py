"""The API on a shared server, on servers of a test's own, and for a cast of callers."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import httpx
import pytest

from tests.conftest import SHARED_TOKEN, StartServer
from tests.runs.api.daemon import IS_CELERY, SLEEPING_GOAL, Daemon, as_holder_of, issue_key
from tests.server import RunningServer


@pytest.fixture
def daemon(server: RunningServer) -> Daemon:
    """The shared server's API, for its admin."""
    return Daemon(server.client)


@pytest.fixture
def bearer(server: RunningServer) -> Iterator[Daemon]:
    """The shared server's API, for whoever holds the daemon token."""
    headers = {"Authorization": f"Bearer {SHARED_TOKEN}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=30.0) as client:
        yield Daemon(client)


@dataclass(frozen=True)
class Cast:
    """Who may see the run of the owner: the owner, and a teammate whose role sees all runs."""

    owner: Daemon
    teammate: Daemon
    stranger: Daemon


@pytest.fixture(scope="session")
def cast(_shared_server: RunningServer) -> Iterator[Cast]:
    with ExitStack() as stack:
        owner, teammate, stranger = (
            stack.enter_context(as_holder_of(_shared_server, issue_key(_shared_server, role)))
            for role in ("user", "operator", "user")
        )
        yield Cast(owner, teammate, stranger)


@pytest.fixture
def as_role(server: RunningServer) -> Iterator[Callable[..., Daemon]]:
    """The shared server's API for a new user of a role; flags are those of `apikey create`."""
    with ExitStack() as stack:
        yield lambda role, *flags: stack.enter_context(
            as_holder_of(server, issue_key(server, role, *flags))
        )


@pytest.fixture
def start_clogged(start_clogged_server: Callable[..., RunningServer]) -> Callable[..., Daemon]:
    """Starts servers where whatever is posted waits: no worker is free."""

    def start(*, queue: int = 10) -> Daemon:
        return Daemon(start_clogged_server(queue=queue).client)

    return start


@pytest.fixture
def start_clogged_server(start_server: StartServer) -> Callable[..., RunningServer]:
    """`start_clogged` for tests that reach around the server."""

    def start(*, queue: int = 10) -> RunningServer:
        server = start_server(
            flags=["--workers", "1", "--queue", str(queue)],
            env={"STARPORT_DRAIN_SECONDS": "0"},
            workers=0,
        )
        if not IS_CELERY:
            Daemon(server.client).start_and_wait_for("TurnStarted", SLEEPING_GOAL)
        return server

    return start
