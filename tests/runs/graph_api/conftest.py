"""The shared server's `/v1`, for its admin and for users of other roles."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.runs.api.daemon import as_holder_of, issue_key
from tests.runs.graph_api.client import GraphClient
from tests.runs.graph_api.sockets import run_code
from tests.server import RunningServer


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


@pytest.fixture(scope="session")
def stories(_shared_server: RunningServer) -> dict[str, str]:
    """Ids of runs of graphs on the shared server, by their names in `story.LOGS`."""
    written = run_code(
        _shared_server,
        "from tests.runs.graph_api.story import LOGS",
        "from tests.runs.inspector.logs import write_run",
        "for name, (events, end) in LOGS.items():",
        "    print(name, write_run(events, end=end).id)",
    )
    return dict(line.split() for line in written.splitlines())
