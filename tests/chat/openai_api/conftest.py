"""The official client, for the shared server's administrator and for users of other roles."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from openai import OpenAI

from tests.runs.api.daemon import issue_key
from tests.server import RunningServer

AsRole = Callable[[str], OpenAI]


def client_of(server: RunningServer, key: str) -> OpenAI:
    return OpenAI(base_url=f"{server.url}/openai/v1", api_key=key, max_retries=0, timeout=30.0)


@pytest.fixture
def openai(server: RunningServer) -> Iterator[OpenAI]:
    with client_of(server, server.admin_key) as client:
        yield client


@pytest.fixture
def as_role(server: RunningServer) -> Iterator[AsRole]:
    """A new user of a role."""
    with ExitStack() as stack:

        def enter(role: str) -> OpenAI:
            return stack.enter_context(client_of(server, issue_key(server, role)))

        yield enter
