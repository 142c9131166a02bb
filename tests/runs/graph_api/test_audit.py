"""`GET /v1/audit`: the trail as those read it who may."""

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.runs.graph_api.client import PATIENCE_SECONDS, SLEEPING_GOAL, GraphClient
from tests.server import RunningServer

AsRole = Callable[[str], GraphClient]


def records(graphs: GraphClient, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page(graphs, **query)["items"]
    return found


def page(graphs: GraphClient, **query: Any) -> dict[str, Any]:
    answer = graphs.client.get("/v1/audit", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def kinds(found: list[dict[str, Any]]) -> list[str]:
    return [record["fact"]["kind"] for record in found]


def a_cancelled_run(graphs: GraphClient) -> str:
    run_id = graphs.start(SLEEPING_GOAL)
    assert graphs.command(run_id, "cancel").status_code == 200
    return run_id


def stored(graphs: GraphClient, run_id: str, count: int) -> list[dict[str, Any]]:
    """The records of a run, when so many are stored: those of what was granted take a moment."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(found := records(graphs, run_id=run_id)) < count:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def test_a_record_has_the_shape_of_an_audit_event(graphs: GraphClient):
    run_id = a_cancelled_run(graphs)

    record = next(r for r in stored(graphs, run_id, 2) if r["fact"]["kind"] == "lifecycle_cancel")

    moment = record["ts"]
    assert datetime.fromisoformat(moment).tzinfo == UTC
    assert record == {
        "type": "bosun_audit",
        "run_id": run_id,
        "step": 0,
        "branch_id": None,
        "ts": moment,
        "payload": {},
        "pack_id": "stargraph.runtime",
        "pack_version": "1.0",
        "fact": {
            "kind": "lifecycle_cancel",
            "actor": record["fact"]["actor"],
            "run_id": run_id,
        },
        "provenance": {
            "origin": "system",
            "source": "stargraph.runtime",
            "run_id": run_id,
            "step": 0,
            "confidence": 1.0,
            "timestamp": moment.replace("Z", "+00:00"),
        },
    }


def test_a_page_is_newest_first_and_tells_how_many_there_are(graphs: GraphClient):
    run_id = a_cancelled_run(graphs)
    everything = stored(graphs, run_id, 2)

    second = page(graphs, run_id=run_id, limit=1, offset=1)

    assert kinds(everything) == ["lifecycle_cancel", "run_enqueued"]
    assert second == {
        "items": everything[1:], "total": 2, "limit": 1, "offset": 1, "cursor": None
    }  # fmt: skip
    assert page(graphs, run_id=run_id, offset=9)["total"] == 2
    assert page(graphs, limit=1)["total"] >= 2


def test_it_is_narrowed_by_kind_actor_and_time(graphs: GraphClient, as_role: AsRole):
    run_id = a_cancelled_run(as_role("operator"))
    cancelled, begun = stored(graphs, run_id, 2)
    actor = begun["fact"]["actor"]

    assert records(graphs, run_id=run_id, kind="run_enqueued") == [begun]
    assert records(graphs, kind="run_enqueued", actor=actor) == [begun]
    assert records(graphs, run_id=run_id, since=cancelled["ts"]) == [cancelled]
    assert records(graphs, run_id=run_id, until=cancelled["ts"]) == [begun]
    zoned = datetime.fromisoformat(cancelled["ts"]).astimezone(tz=None) - timedelta(days=1)
    assert records(graphs, actor=actor, until=zoned.isoformat()) == []
    assert {record["fact"]["actor"] for record in records(graphs, actor=actor)} == {actor}


@pytest.mark.parametrize(
    "query",
    [{"kind": "no_such_kind"}, {"run_id": "R", "kind": "respond"}, {"since": "9999-12-31"}],
    ids=str,
)
def test_what_nothing_matches_is_an_empty_page(graphs: GraphClient, query: dict[str, str]):
    assert page(graphs, **query) == {
        "items": [], "total": 0, "limit": 100, "offset": 0, "cursor": None
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("offset=-1", "offset"),
        ("since=soon", "since"),
        ("actor=%00", "actor"),
    ],
)
def test_a_query_that_makes_no_sense_is_422_and_located(
    graphs: GraphClient, query: str, where: str
):
    answer = graphs.client.get(f"/v1/audit?{query}")

    assert answer.status_code == 422
    assert [item["loc"] for item in answer.json()["detail"]] == [["query", where]]


def test_only_who_holds_the_capability_reads_it(as_role: AsRole):
    answer = as_role("operator").client.get("/v1/audit")

    assert answer.status_code == 403
    assert "audit:read" in answer.json()["detail"]


def test_reading_it_is_recorded_like_everything_else(graphs: GraphClient, as_role: AsRole):
    reader = as_role("admin")
    run_id = a_cancelled_run(reader)
    actor = stored(graphs, run_id, 2)[0]["fact"]["actor"]

    page(reader)

    deadline = time.monotonic() + PATIENCE_SECONDS
    read = {"kind": "capability_granted", "actor": actor, "capability": "audit:read"}
    while {**read, "route": "/v1/audit"} not in [
        record["fact"] for record in records(graphs, kind="capability_granted", actor=actor)
    ]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_no_credential_is_in_it(server: RunningServer, graphs: GraphClient):
    wrong, path = f"sp_live_{secrets.token_hex(20)}", f"/v1/runs/{secrets.token_hex(8)}/stream"

    server.anonymous.get(path, headers={"X-API-Key": wrong})
    server.anonymous.get(path, params={"token": wrong})

    answer = graphs.client.get("/v1/audit", params={"kind": "auth_failed", "limit": 1000})
    assert path in answer.text
    assert wrong not in answer.text
    assert server.admin_key not in answer.text
