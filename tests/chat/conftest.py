"""The shared server's gateway, for its admin and for users of other roles."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.chat.gateway import Gateway
from tests.runs.api.daemon import as_holder_of, issue_key
from tests.server import RunningServer

AsRole = Callable[[str], Gateway]


@pytest.fixture
def gateway(server: RunningServer) -> Gateway:
    """As its administrator."""
    return Gateway(server.client)


@pytest.fixture
def as_role(server: RunningServer) -> Iterator[AsRole]:
    """A new user of a role."""
    with ExitStack() as stack:

        def enter(role: str) -> Gateway:
            daemon = stack.enter_context(as_holder_of(server, issue_key(server, role)))
            return Gateway(daemon.client)

        yield enter
