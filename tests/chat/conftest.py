"""The shared server's gateway, for its admin and for users of other roles."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.chat.cast import Users
from tests.chat.gateway import Gateway
from tests.runs.api.daemon import as_holder_of
from tests.server import RunningServer

AsRole = Callable[[str], Gateway]


@pytest.fixture
def gateway(server: RunningServer) -> Gateway:
    """As its administrator."""
    return Gateway(server.client)


@pytest.fixture(scope="session")
def users(_shared_server: RunningServer) -> Users:
    """New users of the shared server."""
    return Users(_shared_server)


@pytest.fixture
def as_role(server: RunningServer, users: Users) -> Iterator[AsRole]:
    """A new user of a role."""
    with ExitStack() as stack:

        def enter(role: str) -> Gateway:
            daemon = stack.enter_context(as_holder_of(server, users.take(role)))
            return Gateway(daemon.client)

        yield enter
