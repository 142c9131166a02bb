"""A server whose views show how requests travel, on each of the two ASGI servers."""

import pytest

from tests.conftest import StartServer, _server_factory
from tests.server import RunningServer

PROBE = {"DJANGO_SETTINGS_MODULE": "tests.project.probe_settings", "STARPORT_REQUEST_THREADS": "4"}


@pytest.fixture(scope="session", params=["uvicorn", "daphne"])
def probe(request, tmp_path_factory):
    with _server_factory(tmp_path_factory) as start:
        # Some of its views fail on purpose.
        yield start(flags=["--server", request.param], env=PROBE, workers=0, may_fail=True)


@pytest.fixture
def start_probe(start_server: StartServer):
    def start(*flags: str) -> RunningServer:
        return start_server(flags=flags, env=PROBE, workers=0)

    return start
