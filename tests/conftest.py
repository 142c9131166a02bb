"""Fixtures for all tests: a data folder, a database and servers of their own, no network."""

import os
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection, connections
from xdist.scheduler import LoadScopeScheduling

from accounts import audit
from project.artifact_store import artifact_storage
from tests.databases import drop_now, emptied_quickly
from tests.migrated import copy_sqlite_database, template_database
from tests.server import RunningServer, backing_services, clean_environment, launch
from tests.warm_manage import WarmManage

StartServer = Callable[..., RunningServer]

TRACEBACK = "Traceback (most recent call last)"

# What a shell starts in the background ignores what the keyboard sends, and what `nohup` starts a
# hang-up; so would the programs under test.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than cores, since many tests wait; few on PostgreSQL, which has few connections.

    With Celery a process has up to three servers at a time, and those up to two workers each, which
    is half of the hundred connections that PostgreSQL allows by default: see `_InTwoHalves`.
    """
    cores = os.cpu_count() or 1
    if os.environ.get("STARPORT_EXECUTOR") == "celery":
        return 2
    return min(cores, 3) if os.environ.get("DATABASE_URL") else cores + 1


# Tests that share a server beside the one that all share: one process runs them and starts it once.
_SHARING = {
    "tests/chat/telegram/test_bot": "bot",
    "tests/chat/test_provider_usage": "provider usage",
    "tests/chat/test_quota": "quota",
    "tests/chat/webhooks/test_server": "webhooks",
    "tests/instances/cli/": "instance command",
    "tests/instances/local/test_story": "story of a fleet",
    "tests/instances/test_": "fleet",
    "tests/project/test_error_bodies": "probe",
    "tests/project/test_generated_client": "generated client",
    "tests/project/test_rate_limits": "rate limits",
    "tests/project/test_request_path": "probe",
    "tests/project/test_security_headers": "probe",
    "tests/runs/graph_api/test_graph_files": "graph files",
    "tests/runs/tails/": "tails",
}


class _BySharedServer(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """The largest groups first, then test by test."""

    def _split_scope(self, nodeid: str) -> str:
        return next((name for place, name in _SHARING.items() if nodeid.startswith(place)), nodeid)


class _InTwoHalves(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """One process for tests with servers of their own, one for those of the shared server.

    Both kinds in both processes would need more connections than PostgreSQL allows by default.
    """

    _WITH_OWN = ("tests/chat/", "tests/e2e/test_stopping", "tests/project/", "tests/runs/tails/")

    def _split_scope(self, nodeid: str) -> str:
        return "own" if nodeid.startswith(self._WITH_OWN) else "shared"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    has_celery = os.environ.get("STARPORT_EXECUTOR") == "celery"
    return _InTwoHalves(config, log) if has_celery else _BySharedServer(config, log)


# --- Nothing of the person who runs the tests is touched --------------------------------------

_scratch = tempfile.TemporaryDirectory(prefix="starport-tests-")


def _move_data_folder(target: Path) -> None:
    """pytest-django has read the settings by now; every path in the data folder moves."""
    current = settings.DATA_DIR
    for name in dir(settings):
        value = getattr(settings, name)
        if isinstance(value, Path) and value.is_relative_to(current):
            setattr(settings, name, target / value.relative_to(current))
    settings.STORAGES["artifacts"] = artifact_storage(
        "", folder=target / "artifacts", access_key="", secret_key=""
    )
    os.environ["STARPORT_DATA"] = str(target)


_move_data_folder(Path(_scratch.name))


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """In-process tests use a file in WAL mode, as production does, or a database of this run."""
    test = connections["default"].settings_dict["TEST"]
    if connection.vendor == "sqlite":
        test["NAME"] = str(Path(_scratch.name) / "test.sqlite3")
    else:
        test["NAME"] = f"test_starport_{os.getpid()}"


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Long-lived threads keep connections; PostgreSQL will not drop a database under them."""
    with emptied_quickly():
        yield
    with django_db_blocker.unblock():
        audit.flush()  # or its thread looks for tables that are gone
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


# --- No network but loopback ------------------------------------------------------------------


class NetworkForbidden(AssertionError):
    """A test, or the code under it, tried to reach beyond this machine."""


def _is_allowed(host: str) -> bool:
    services = {
        urlsplit(os.environ[name]).hostname
        for name in ("DATABASE_URL", "REDIS_URL")
        if os.environ.get(name)
    }
    return host in {"", "localhost", "::1", "0.0.0.0", *services} or host.startswith("127.")  # noqa: S104


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    real_connect = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_allowed(str(address[0])):
            raise NetworkForbidden(f"a connection to {address[0]} was attempted")
        real_connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect)
        yield


# --- Servers ----------------------------------------------------------------------------------


@pytest.fixture(scope="session", autouse=True)
def _databases_are_dropped() -> Iterator[None]:
    yield
    drop_now()


@pytest.fixture
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """Starts fresh servers: `start_server(token="…", flags=["--queue", "1"], env={…})`.

    Each has a data folder and a database of its own and is stopped after the test. Under Celery it
    has one worker (those that many tests share have two); a test that executes no run asks for
    `workers=0`. A server that wrote a traceback fails the test, unless it was started with
    `may_fail=True`.
    """
    with _server_factory(tmp_path_factory) as start:
        yield start


@pytest.fixture(scope="session")
def _shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with _server_factory(tmp_path_factory) as start:
        server = start(token=SHARED_TOKEN, env=SHARED_ENVIRONMENT, workers=2)
        with closing(WarmManage(server.environment)) as server.warm_manage:
            yield server


SHARED_TOKEN = "the-daemon-token-of-tests"
SHARED_ENVIRONMENT = {
    # Open streams notice within a second what no event tells them.
    "STARPORT_STREAM_HEARTBEAT_SECONDS": "1",
    # Some tests leave a run that sleeps; at the end nobody waits for it.
    "STARPORT_DRAIN_SECONDS": "0",
}


@pytest.fixture
def server(_shared_server: RunningServer) -> Iterator[RunningServer]:
    """One server for all tests that leave it as they found it: the queue empty, the key valid."""
    before = _shared_server.mark()
    yield _shared_server
    written = _shared_server.errors_since(before)
    assert TRACEBACK not in written, written


@contextmanager
def _server_factory(folders: pytest.TempPathFactory) -> Iterator[StartServer]:
    with ExitStack() as stack:

        def start(
            *,
            token: str = "",
            flags: Sequence[str] = (),
            env: Mapping[str, str] | None = None,
            workers: int = 1,
            may_fail: bool = False,
        ) -> RunningServer:
            data_dir = folders.mktemp("data")
            copy_sqlite_database(data_dir)
            services = stack.enter_context(backing_services(template=template_database()))
            environment = clean_environment(data_dir, **{**services, **(env or {})})
            token_flags = ["--token", token] if token else []
            server = launch(data_dir, environment, [*token_flags, *flags], workers=workers)
            stack.callback(_finish, server, may_fail=may_fail)
            return server

        yield start


def _finish(server: RunningServer, *, may_fail: bool) -> None:
    server.stop()
    assert may_fail or TRACEBACK not in server.errors(), server.errors()


# --- What no database and no executor can change ----------------------------------------------

# Pure code, wire formats, credentials and pages that are made of what the ORM returned: whatever
# they ask a database for is asked by other tests on PostgreSQL as well.
_ANYWHERE = (
    "accounts/test_bearer_tokens",
    "accounts/test_capabilities",
    "accounts/test_cleared_profile",
    "accounts/test_client_certificates",
    "accounts/test_daemon_token",
    "accounts/test_open_mode",
    "bench/",
    "chat/memory/test_chunks",
    "chat/memory/test_ranking",
    "chat/cron/test_schedules",
    "chat/docs_site/",
    "chat/page/",
    "chat/settings/test_admin",
    "chat/settings/test_groups",
    "chat/socket/test_message_limits",
    "chat/telegram/test_formatting",
    "chat/test_contract_table",
    "chat/test_frame_check",
    "e2e/test_graph_kill",
    "e2e/test_openai_endpoint",
    "instances/cli/test_real_ssh",
    "instances/cli/test_ssh",
    "instances/local/test_instance_backend",
    "instances/local/test_local_",
    "instances/local/test_shutdown",
    "instances/local/test_supervision",
    "instances/test_backend_",
    "instances/test_checks",
    "instances/test_failures",
    "instances/test_log_parsing",
    "instances/test_logs_route",
    "project/test_cleared_server",
    "project/test_docs",
    "project/test_error_bodies",
    "project/test_generated_client",
    "project/test_openapi",
    "project/test_profile_gates",
    "project/test_request_path",
    "project/test_security_headers",
    "project/test_serve",
    "project/test_typescript_client",
    "runs/api/test_authentication",
    "runs/api/test_methods",
    "runs/api/test_openapi",
    "runs/cli/test_subcommands",
    "runs/graph_api/test_artifact_bucket",
    "runs/graph_api/test_discovery",
    "runs/graph_api/test_graph_files",
    "runs/graph_api/test_openapi",
    "runs/graph_pages/test_graph_page",
    "runs/graphs/",
    "runs/inspector/test_detail",
    "runs/inspector/test_summaries",
    "runs/inspector/test_trace",
    "runs/log/test_codec",
    "runs/log/test_vec",
    "runs/providers/",
    "runs/tools/",
    "runs/triggers/test_mapping",
    "runs/triggers/test_schedules",
)
_NEEDS_A_DATABASE = (
    "test_a_database_named_in_a_file",
    "test_it_tells_where_to_go_and_shows_the_admin_key_once",
    "test_request_path.py::test_many_requests_are_served_by_few_threads",
    "test_start_run",
    "test_tools_in_runs",
    "test_two_servers_may_share_a_database",
)
# Their runs, if any, are executed by an engine in the test's own process, or are written logs; or
# they read what is the same whoever executed it.
_WITHOUT_WORKERS = (
    "accounts/",
    "chat/",
    "instances/",
    "project/",
    "runs/api/test_list_runs",
    "runs/api/test_visibility",
    "runs/approvals/test_list",
    "runs/approvals/test_pages",
    "runs/cli/",
    "runs/engine/",
    "runs/graph_api/test_access",
    "runs/graph_api/test_audit",
    "runs/graph_api/test_history",
    "runs/graph_api/test_socket_access",
    "runs/graph_pages/",
    "runs/inspector/",
    "runs/log/",
    "runs/api/test_events_page",
    "runs/api/test_start_run",
    "runs/graph_api/test_artifacts",
    "runs/graph_api/test_start_run",
    "runs/triggers/test_admin",
    "runs/triggers/test_api",
    "runs/triggers/test_file",
    "runs/triggers/test_webhooks",
)
_NEEDS_REDIS_OR_WORKERS = (
    "chat/openai_api/test_streaming",
    "chat/socket/test_frames",
    "chat/socket/test_notifications",
    "chat/test_chat",
    "chat/test_settings_in_processes",
    "chat/webhooks/test_server",
    "test_doctor",
    "test_processes",
    "test_rate_limits",
    "test_service",
    "test_spending_limits",
)
# Under Celery a server talks to PostgreSQL through the same code as without. What is different when
# the engine and the watchers are in its own process, these ask there as well.
_EMBEDDED_TOO = (
    "accounts/test_rate_limits",
    "e2e/test_stopping",
    "e2e/test_workers",
    "runs/api/test_cancel",
    "runs/api/test_stream",
    "runs/cli/test_processes",
    "runs/graph_api/test_socket_frames",
    "runs/graph_api/test_socket_resume",
    "runs/tails/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Which tests run again on the services: each on PostgreSQL, where it says the most."""
    here = Path(__file__).parent
    for item in items:
        place = str(item.path.relative_to(here))
        test = f"{place}::{item.name}"
        if place.startswith(_ANYWHERE) and not any(name in test for name in _NEEDS_A_DATABASE):
            item.add_marker(pytest.mark.anywhere)
        if place.startswith(_WITHOUT_WORKERS) and not any(
            name in place for name in _NEEDS_REDIS_OR_WORKERS
        ):
            item.add_marker(pytest.mark.without_workers)
        elif not place.startswith(_EMBEDDED_TOO):
            item.add_marker(pytest.mark.with_workers)
