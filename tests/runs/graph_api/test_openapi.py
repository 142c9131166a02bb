"""The OpenAPI document is true of `/v1`'s answers."""

import json
from typing import Any

import jsonschema
import pytest

from tests.runs.graph_api.attaching import attach, put_file
from tests.runs.graph_api.client import ASKING_GOAL, GraphClient
from tests.server import ROOT, RunningServer

ONE = "/v1/runs/{run_id}"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((ROOT / "docs/reference/openapi.json").read_bytes())
    return loaded


def check(document: dict[str, Any], answer: Any, path: str, method: str = "get") -> None:
    """Raise unless a response is as its operation says."""
    described = document["paths"][path][method]["responses"][str(answer.status_code)]
    schema = described["content"]["application/json"]["schema"]
    jsonschema.Draft202012Validator(
        {**schema, "components": document["components"]},
        format_checker=jsonschema.FormatChecker(),
    ).validate(answer.json())


def test_answers_are_as_described(
    document: dict[str, Any], server: RunningServer, graphs: GraphClient
):
    get, done, failed = graphs.client.get, graphs.start("hello"), graphs.start("!fail auth")
    waiting = graphs.start(ASKING_GOAL)
    graphs.until(done, "done")
    graphs.until(failed, "failed")
    graphs.until(waiting, "awaiting-input")
    body = {"graph_id": "agent", "inputs": {"goal": "hello"}}

    check(document, graphs.client.post("/v1/runs", json=body), "/v1/runs", "post")
    check(document, get("/v1/runs"), "/v1/runs")
    for run_id in (done, failed, waiting):
        check(document, get(f"/v1/runs/{run_id}"), ONE)
    check(document, get("/v1/approvals?limit=1000"), "/v1/approvals")
    answered = graphs.command(waiting, "respond", {"response": {}})
    check(document, answered, f"{ONE}/respond", "post")
    attached = attach(graphs, path=put_file(server, "a.txt", b"a"))
    check(document, get(f"/v1/runs/{attached}/artifacts"), f"{ONE}/artifacts")
    check(document, get("/v1/graphs"), "/v1/graphs")
    check(document, get("/v1/registry/tools"), "/v1/registry/{kind}")
    check(document, get("/v1/audit"), "/v1/audit")


def test_refusals_are_as_described(document: dict[str, Any], graphs: GraphClient):
    done = graphs.start("hello")
    graphs.until(done, "done")

    check(document, graphs.client.post("/v1/runs", json={}), "/v1/runs", "post")
    check(document, graphs.client.get("/v1/runs?limit=x&since=y"), "/v1/runs")
    check(document, graphs.client.get("/v1/runs/nope"), ONE)
    check(document, graphs.client.get("/v1/artifacts/nope"), "/v1/artifacts/{artifact_id}")
    for verb in ("cancel", "pause", "resume"):
        check(document, graphs.command(done, verb), f"{ONE}/{verb}", "post")
    bodies: list[Any] = [{"response": {}}, {"response": 1}, None]
    for body in bodies:
        check(document, graphs.command(done, "respond", body), f"{ONE}/respond", "post")
    check(document, graphs.client.get("/v1/registry/nope"), "/v1/registry/{kind}")


def test_no_description_is_a_note_among_ourselves(document: dict[str, Any]):
    text = json.dumps(document)

    assert "project." not in text
    assert "DRF" not in text
