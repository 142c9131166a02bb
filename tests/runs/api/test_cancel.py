"""POST /api/v1/runs/{id}/cancel."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.e2e.snapshots import query
from tests.runs.api.daemon import SLEEPING_GOAL, Daemon, named
from tests.server import RunningServer


def test_a_queued_run_is_cancelled_and_keeps_its_record(start_clogged: Callable[..., Daemon]):
    daemon = start_clogged()
    run_id = daemon.start("never begun")

    response = daemon.cancel(run_id)

    assert response.status_code == 202
    assert response.json() == {"run_id": run_id, "daemon_status": "cancelled"}
    assert [event["kind"] for event in daemon.events(run_id)] == ["RunStarted", "RunCancelled"]
    assert daemon.detail(run_id)["validation"] == {"status": "valid"}


def test_a_running_run_ends_at_once_in_mid_stream(daemon: Daemon):
    run_id = daemon.start_and_wait_for("TurnStarted", SLEEPING_GOAL)

    response = daemon.cancel(run_id)

    assert response.status_code == 202
    assert response.json() == {"run_id": run_id, "daemon_status": "cancelled"}
    detail = daemon.detail(run_id)
    assert detail["status"] == detail["daemon_status"] == "cancelled"
    assert detail["cancel_reason"] == "context_canceled"
    assert daemon.events(run_id)[-1]["payload"]["reason"] == "context_canceled"


def test_who_watches_sees_the_end(daemon: Daemon):
    run_id = daemon.start(SLEEPING_GOAL)

    with daemon.stream(run_id) as frames:
        next(frame for frame in frames if frame.name == "event")
        daemon.cancel(run_id)
        rest = list(frames)

    assert named(rest, "event")[-1]["kind"] == "RunCancelled"
    assert named(rest, "done") == [
        {"run_id": run_id, "status": "cancelled", "last_seq": daemon.detail(run_id)["last_seq"]}
    ]


def test_the_worker_is_free_for_the_next_run(daemon: Daemon):
    sleeping = [daemon.start_and_wait_for("TurnStarted", SLEEPING_GOAL) for _ in range(4)]

    for run_id in sleeping:
        daemon.cancel(run_id)

    assert daemon.detail(daemon.run_to_end("hello"))["status"] == "completed"


def test_a_finished_run_is_a_conflict_and_stays_as_it_is(daemon: Daemon):
    run_id = daemon.run_to_end("hello")
    before = daemon.events(run_id)

    response = daemon.cancel(run_id)

    assert response.status_code == 409
    assert list(response.json()) == ["error"]
    assert daemon.events(run_id) == before


def test_an_unknown_run_is_not_found(daemon: Daemon):
    response = daemon.cancel("01ARZ3NDEKTSV4RRFFQ69G5FAV")

    assert response.status_code == 404
    assert list(response.json()) == ["error"]


def test_a_body_is_not_looked_at(daemon: Daemon):
    run_id = daemon.start(SLEEPING_GOAL)

    response = daemon.client.post(f"/api/v1/runs/{run_id}/cancel", content=b"{nonsense")

    assert response.status_code == 202


def test_of_many_who_cancel_one_wins(daemon: Daemon):
    run_id = daemon.start(SLEEPING_GOAL)

    with ThreadPoolExecutor(6) as pool:
        codes = sorted(pool.map(lambda _: daemon.cancel(run_id).status_code, range(6)))

    assert codes == [202, 409, 409, 409, 409, 409]
    assert [event["kind"] for event in daemon.events(run_id)].count("RunCancelled") == 1


def test_the_audit_trail_names_who_cancelled(daemon: Daemon, server: RunningServer):
    run_id = daemon.start(SLEEPING_GOAL)

    daemon.cancel(run_id)
    daemon.cancel(run_id)

    recorded = query(
        server.data_dir,
        server.environment,
        "SELECT run_id, actor FROM accounts_auditrecord WHERE fact_kind = 'lifecycle_cancel'",
    )
    runs = query(server.data_dir, server.environment, "SELECT id, actor FROM runs_run")
    assert [actor for cancelled, actor in recorded if cancelled == run_id] == [dict(runs)[run_id]]
