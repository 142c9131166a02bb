"""healthz and readyz."""

from collections.abc import Callable

from tests.conftest import StartServer
from tests.runs.api.daemon import Daemon, change_stored
from tests.server import RunningServer


def test_healthz_says_that_the_process_lives(daemon: Daemon):
    assert daemon.get("/api/v1/healthz") == {"status": "ok"}


def test_readyz_tells_of_the_log_the_queue_and_the_workers(start_server: StartServer):
    server = start_server(flags=["--queue", "7", "--workers", "3"], workers=0)

    assert Daemon(server.client).get("/api/v1/readyz") == {
        "status": "ready",
        "log": "ok",
        "queue": {"depth": 0, "capacity": 7},
        "workers": 3,
    }


def test_a_full_queue_is_not_ready_until_it_has_room(start_clogged: Callable[..., Daemon]):
    daemon = start_clogged(queue=1)
    waiting = daemon.start("hello")

    full = daemon.client.get("/api/v1/readyz")
    daemon.cancel(waiting)

    assert full.status_code == 503
    assert full.json()["status"] == "not_ready"
    assert full.json()["log"] == "ok"
    assert full.json()["queue"] == {"depth": 1, "capacity": 1}
    assert daemon.get("/api/v1/readyz")["queue"]["depth"] == 0


def test_a_full_queue_stops_neither_reading_nor_cancelling(start_clogged: Callable[..., Daemon]):
    daemon = start_clogged(queue=1)
    waiting = daemon.start("hello")

    assert daemon.client.get("/api/v1/healthz").status_code == 200
    assert daemon.client.get("/api/v1/runs").status_code == 200
    assert daemon.detail(waiting)["daemon_status"] == "queued"
    assert daemon.cancel(waiting).status_code == 202


def test_a_schema_older_than_the_program_is_not_ready(
    start_clogged_server: Callable[..., RunningServer],
):
    server = start_clogged_server(queue=5)
    daemon = Daemon(server.client)
    daemon.start("hello")
    change_stored(server, "DELETE FROM django_migrations WHERE app = 'runs'")

    response = daemon.client.get("/api/v1/readyz")

    assert response.status_code == 503
    assert "outdated" in response.json()["log"]
    assert response.json()["queue"] == {"depth": 1, "capacity": 5}
    assert daemon.client.get("/api/v1/healthz").status_code == 200


def test_a_schema_newer_than_the_program_is_not_ready(start_server: StartServer):
    server = start_server(workers=0)
    change_stored(
        server,
        "INSERT INTO django_migrations (app, name, applied)"
        " VALUES ('runs', '9999_from_the_future', '2030-01-01')",
    )

    response = server.client.get("/api/v1/readyz")

    assert response.status_code == 503
    assert "newer" in response.json()["log"]
