"""POST /v1/runs."""

from typing import Any

import pytest

from tests.e2e.snapshots import query
from tests.runs.graph_api.client import GraphClient
from tests.server import RunningServer

BODY = {"graph_id": "agent", "inputs": {"goal": "hello"}}


def test_a_run_is_accepted_and_can_be_read_at_once(graphs: GraphClient):
    answer = graphs.client.post("/v1/runs", json=BODY)

    run_id = answer.json()["run_id"]
    assert answer.status_code == 202
    assert answer.json() == {"run_id": run_id, "status": "pending"}
    assert answer.headers["Location"] == f"/v1/runs/{run_id}"
    assert graphs.summary(run_id)["run_id"] == run_id
    assert graphs.until(run_id, "done")["trigger_source"] == "manual"


def test_params_is_another_name_of_inputs(graphs: GraphClient):
    answer = graphs.client.post("/v1/runs", json={"graph_id": "agent", "params": {"goal": "hi"}})

    assert answer.status_code == 202


def test_inputs_and_params_that_differ_are_refused(graphs: GraphClient):
    answer = graphs.client.post("/v1/runs", json={**BODY, "params": {"goal": "another"}})

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body"]


def test_an_unknown_graph_is_not_found_and_starts_nothing(graphs: GraphClient):
    before = graphs.page()["total"]

    answer = graphs.client.post("/v1/runs", json={**BODY, "graph_id": "nope"})

    assert answer.status_code == 404
    assert answer.json() == {"detail": "graph 'nope' not found"}
    assert graphs.page()["total"] == before


@pytest.mark.parametrize(
    ("body", "item"),
    [
        ({"inputs": {}}, {"type": "missing", "loc": ["body", "graph_id"], "msg": "Field required"}),
        (
            {"graph_id": 7},
            {
                "type": "string_type",
                "loc": ["body", "graph_id"],
                "msg": "Input should be a valid string",
                "input": 7,
            },
        ),
        (
            {"graph_id": "agent", "inputs": []},
            {
                "type": "dict_type",
                "loc": ["body", "inputs"],
                "msg": "Input should be a valid dictionary",
            },
        ),
        (
            {"graph_id": "agent", "inputs": {}},
            {"type": "missing", "loc": ["body", "inputs", "goal"], "msg": "Field required"},
        ),
        (
            {"graph_id": "agent", "inputs": {"goal": 1}},
            {"type": "string_type", "loc": ["body", "inputs", "goal"]},
        ),
        (
            {**BODY, "trigger_source": "telepathy"},
            {"type": "literal_error", "loc": ["body", "trigger_source"], "input": "telepathy"},
        ),
        (
            {**BODY, "idempotency_key": ""},
            {"type": "string_too_short", "loc": ["body", "idempotency_key"]},
        ),
        (
            [],
            {
                "type": "model_attributes_type",
                "loc": ["body"],
                "msg": "Input should be a valid dictionary or object to extract fields from",
                "input": [],
            },
        ),
    ],
)
def test_what_does_not_fit_is_located(graphs: GraphClient, body: Any, item: dict[str, Any]):
    answer = graphs.client.post("/v1/runs", json=body)

    [found] = answer.json()["detail"]
    assert answer.status_code == 422
    assert found | item == found
    assert "url" not in found


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize(
    ("value", "location"),
    [
        ("9223372036854775808", ["body", "inputs", "n"]),
        ("-9223372036854775809", ["body", "inputs", "n"]),
        ("18446744073709551616", ["body", "inputs", "n"]),
        (f'{{"a": [0, {"9" * 50}]}}', ["body", "inputs", "n", "a", 1]),
        ("9" * 5_000, None),
        ("1e999", None),
        ("-Infinity", None),
        ("NaN", None),
        (r'"\ud800"', None),
        (deep(24), ["body", "inputs"]),
        (deep(40), ["body"]),
        (deep(5_000), None),
        (r'{"a\u0000": 1}', ["body", "inputs"]),
    ],
    ids=lambda value: str(value)[:24],
)
def test_what_no_log_can_hold_is_refused_and_starts_nothing(
    graphs: GraphClient, value: str, location: list[str | int] | None
):
    """A place of `None` is one that only the JSON reader knows."""
    before = graphs.page()["total"]

    body = f'{{"graph_id": "agent", "inputs": {{"goal": "hello", "n": {value}}}}}'
    answer = graphs.client.post("/v1/runs", content=body)

    [item] = answer.json()["detail"]
    assert answer.status_code == 422
    if location is None:
        assert item["type"] == "json_invalid"
    else:
        assert item["loc"] == location
    assert graphs.page()["total"] == before


@pytest.mark.parametrize(
    "value", [9223372036854775807, -9223372036854775808, 1.7e308, 0.1234567890123456789, "é😀"]
)
def test_the_largest_that_a_log_holds_is_kept_as_it_came(graphs: GraphClient, value: Any):
    run_id = graphs.start("hello", inputs={"goal": "hello", "n": value})

    graphs.until(run_id, "done")
    [first, *_] = graphs.client.get(f"/api/v1/runs/{run_id}/events").json()["events"]
    assert first["payload"]["inputs"] == {"n": value}


def test_a_body_that_is_not_json_is_located(graphs: GraphClient):
    answer = graphs.client.post("/v1/runs", content=b'{"graph_id": nope}')

    [item] = answer.json()["detail"]
    assert answer.status_code == 422
    assert (item["type"], item["msg"], item["input"]) == ("json_invalid", "JSON decode error", {})
    assert item["loc"][0] == "body"
    assert isinstance(item["loc"][1], int)


def test_no_body_at_all_is_a_missing_body(graphs: GraphClient):
    answer = graphs.client.post("/v1/runs")

    assert answer.status_code == 422
    assert answer.json() == {
        "detail": [{"type": "missing", "loc": ["body"], "msg": "Field required", "input": None}]
    }


def test_a_key_answers_once_more_and_starts_one_run(graphs: GraphClient):
    body = {**BODY, "idempotency_key": "K1"}

    first = graphs.client.post("/v1/runs", json=body)
    again = graphs.client.post("/v1/runs", json=body)
    by_header = graphs.client.post("/v1/runs", json=BODY, headers={"Idempotency-Key": "K1"})

    assert first.json() == again.json() == by_header.json()
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert by_header.headers["Idempotency-Replayed"] == "true"


def test_a_key_with_another_request_is_a_conflict(graphs: GraphClient):
    graphs.start("first", idempotency_key="K2")

    answer = graphs.client.post("/v1/runs", json={**BODY, "idempotency_key": "K2"})

    assert answer.status_code == 409
    assert answer.json() == {"detail": "idempotency_key already used with a different request"}


def test_the_audit_trail_names_who_started_it(graphs: GraphClient, server: RunningServer):
    run_id = graphs.start("hello", trigger_source="webhook")

    graphs.until(run_id, "done")

    assert server.manage("audit", "verify").returncode == 0
    rows = query(
        server.data_dir,
        server.environment,
        "SELECT run_id, actor FROM accounts_auditrecord WHERE fact_kind = 'run_enqueued'",
    )
    runs = query(server.data_dir, server.environment, "SELECT id, actor FROM runs_run")
    assert [actor for run, actor in rows if run == run_id] == [dict(runs)[run_id]]
