"""The shared server's admin pages and its `/v1`."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.runs.api.daemon import as_holder_of, issue_key
from tests.runs.graph_api.client import GraphClient
from tests.runs.triggers.pages import AdminPages, Hook
from tests.server import RunningServer


@pytest.fixture(scope="session")
def pages(_shared_server: RunningServer) -> Iterator[AdminPages]:
    with AdminPages(_shared_server) as pages:
        yield pages


@pytest.fixture
def hook(pages: AdminPages) -> Hook:
    """A webhook whose body is the inputs of `agent`."""
    return pages.add_webhook()


@pytest.fixture
def graphs(server: RunningServer) -> GraphClient:
    return GraphClient(server.client)


@pytest.fixture
def as_role(server: RunningServer) -> Iterator[Callable[[str], GraphClient]]:
    """A new user of a role."""
    with ExitStack() as stack:

        def enter(role: str) -> GraphClient:
            daemon = stack.enter_context(as_holder_of(server, issue_key(server, role)))
            return GraphClient(daemon.client)

        yield enter
