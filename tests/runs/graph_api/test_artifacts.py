"""Artifacts of runs: the list, the bytes, and who may have them."""

import json
import time
from collections.abc import Callable
from datetime import datetime

import pytest

from tests.runs.graph_api.attaching import (
    artifacts_of,
    attach,
    attach_all,
    outcome_of,
    put_file,
)
from tests.runs.graph_api.client import PATIENCE_SECONDS, GraphClient
from tests.server import RunningServer

AsRole = Callable[[str], GraphClient]

HELLO = "ea8f163db38682925e4491c5e58d4bb3506ef8c14eb78a86e908c5624a67200f"  # BLAKE3 of `hello`


def test_a_run_lists_what_it_attached_in_that_order(server: RunningServer, graphs: GraphClient):
    zebra, hello = put_file(server, "zebra.png", b"z"), put_file(server, "hello.txt", b"hello")

    run_id = attach_all(graphs, {"path": zebra}, {"path": hello}, {"path": zebra})

    first, second, third = artifacts_of(graphs, run_id)
    assert datetime.fromisoformat(second.pop("created_at"))
    assert second == {
        "artifact_id": HELLO[:32],
        "content_hash": HELLO,
        "name": "hello.txt",
        "content_type": "text/plain",
        "run_id": run_id,
        "step": 0,
    }
    assert (first["name"], third["name"]) == ("zebra.png", "zebra.png")
    assert first["artifact_id"] == third["artifact_id"]


def test_a_run_without_artifacts_has_an_empty_list(graphs: GraphClient):
    assert artifacts_of(graphs, graphs.start("hello")) == []


def test_the_artifacts_of_an_unknown_run_are_not_found(graphs: GraphClient):
    answer = graphs.client.get("/v1/runs/01ARZ3NDEKTSV4RRFFQ69G5FAV/artifacts")

    assert answer.status_code == 404
    assert answer.json() == {"detail": "run '01ARZ3NDEKTSV4RRFFQ69G5FAV' not found"}


def test_the_bytes_come_with_name_type_and_hash(server: RunningServer, graphs: GraphClient):
    data = bytes(range(256)) * 5_000  # several chunks
    [artifact] = artifacts_of(graphs, attach(graphs, path=put_file(server, 'é "1".png', data)))

    answer = graphs.client.get(f"/v1/artifacts/{artifact['artifact_id']}")

    assert (answer.status_code, answer.content) == (200, data)
    assert answer.headers["Content-Length"] == str(len(data))
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Content-Disposition"] == "inline; filename*=utf-8''%C3%A9%20%221%22.png"
    assert answer.headers["ETag"] == f'"{artifact["content_hash"]}"'
    assert answer.headers["Cache-Control"] == "private, immutable"


@pytest.mark.parametrize("name", ["page.html", "drawing.svg", "feed.xml", "paper.pdf", "odd"])
def test_a_browser_runs_nothing_of_it(server: RunningServer, graphs: GraphClient, name: str):
    path = put_file(server, name, b"<script>alert(1)</script>" + name.encode())
    [artifact] = artifacts_of(graphs, attach(graphs, path=path))

    answer = graphs.client.get(f"/v1/artifacts/{artifact['artifact_id']}")

    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    policy = answer.headers["Content-Security-Policy"]
    assert {part.strip() for part in policy.split(";")} == {"sandbox", "default-src 'none'"}


def test_who_has_the_bytes_gets_no_second_copy(server: RunningServer, graphs: GraphClient):
    attach(graphs, path=put_file(server, "hello.txt", b"hello"))

    def status(tags: str) -> int:
        headers = {"If-None-Match": tags}
        answer = graphs.client.get(f"/v1/artifacts/{HELLO[:32]}", headers=headers)
        assert answer.headers["ETag"] == f'"{HELLO}"'
        return answer.status_code

    assert [status(tags) for tags in (f'"{HELLO}"', f'"x", W/"{HELLO}"', "*")] == [304] * 3
    assert [status(tags) for tags in ('"x"', HELLO, "")] == [200] * 3


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("*", "*"),
        ("%3F" * 32, "?" * 32),
        ("..%5C..%5Csecret", "..\\..\\secret"),
        ("0" * 32, "0" * 32),
        (HELLO, HELLO),
        (HELLO[:32].upper(), HELLO[:32].upper()),
        (HELLO[:31], HELLO[:31]),
        (HELLO[:32] + "%0A", HELLO[:32] + "\n"),
    ],
)
def test_only_a_whole_id_finds_an_artifact(
    server: RunningServer, graphs: GraphClient, path: str, shown: str
):
    attach(graphs, path=put_file(server, "hello.txt", b"hello"))

    answer = graphs.client.get(f"/v1/artifacts/{path}")

    assert answer.status_code == 404
    assert answer.json() == {"detail": f"artifact '{shown}' not found"}


def test_other_peoples_artifacts_do_not_exist(server: RunningServer, as_role: AsRole):
    owner, teammate, stranger = as_role("user"), as_role("operator"), as_role("user")
    run_id = attach(owner, path=put_file(server, "mine.txt", b"the owner's alone"))
    [artifact] = artifacts_of(owner, run_id)

    def statuses(caller: GraphClient) -> tuple[int, int, object]:
        attached = attach(caller, artifact_id=artifact["artifact_id"])
        return (
            caller.client.get(f"/v1/artifacts/{artifact['artifact_id']}").status_code,
            caller.client.get(f"/v1/runs/{run_id}/artifacts").status_code,
            outcome_of(caller, attached),
        )

    result = {
        "artifact_id": artifact["artifact_id"],
        "name": "mine.txt",
        "size": 17,
        "media_type": "text/plain",
    }
    assert statuses(stranger) == (404, 404, "artifact_id: there is no such artifact")
    assert statuses(owner) == (200, 200, result)
    assert statuses(teammate) == (200, 200, result)


def test_the_name_somebody_else_gave_the_same_bytes_stays_theirs(
    server: RunningServer, as_role: AsRole
):
    other, caller = as_role("user"), as_role("user")
    attach(other, path=put_file(server, "lay-offs.html", b"same bytes"))
    [artifact] = artifacts_of(
        caller, attach(caller, path=put_file(server, "mine.txt", b"same bytes"))
    )

    answer = caller.client.get(f"/v1/artifacts/{artifact['artifact_id']}")

    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.headers["Content-Disposition"] == 'inline; filename="mine.txt"'


def test_an_artifact_of_an_earlier_run_becomes_one_of_this_run(
    server: RunningServer, graphs: GraphClient
):
    [artifact] = artifacts_of(graphs, attach(graphs, path=put_file(server, "a.csv", b"1,2")))

    later = attach(graphs, artifact_id=artifact["artifact_id"])

    [again] = artifacts_of(graphs, later)
    assert again == {**artifact, "run_id": later, "created_at": again["created_at"]}


def test_reading_an_artifact_is_in_the_audit_trail(server: RunningServer, graphs: GraphClient):
    run_id = attach(graphs, path=put_file(server, "read.txt", b"who read me?"))
    [artifact] = artifacts_of(graphs, run_id)

    graphs.client.get(f"/v1/artifacts/{artifact['artifact_id']}")

    listing = ("audit", "list", "--kind", "artifact_read", "--run", run_id, "--json")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (records := server.manage(*listing).stdout):
        assert time.monotonic() < deadline
    record = json.loads(records)
    assert record["pack_id"] == "stargraph.artifacts"
    assert record["fact"]["artifact_id"] == artifact["artifact_id"]
    assert record["fact"]["run_id"] == run_id
    assert record["fact"]["actor"]
