"""Graphs from the folders of `serve --graphs`, and runs that sleep."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import StartServer, _server_factory
from tests.runs.graph_api.client import GraphClient
from tests.server import ServerFailed

NAP = """
ir_version: "1.1.0"
id: nap
nodes:
  - {id: before, kind: template, config: {template: one, out: text}}
  - {id: nap, kind: sleep, config: {seconds: 600}}
  - {id: after, kind: template, config: {template: two, out: text}}
"""
LATE = """
ir_version: "1.1.0"
id: late
nodes:
  - {id: gate, kind: interrupt, config: {prompt: "Quick?", timeout: PT0.2S, on_timeout: halt}}
"""
TYPO = """
ir_version: "1.1.0"
id: typo
nodes:
  - {id: publish, kind: write_artifact, config: {content_field: txet, content_type: text/plain}}
state_schema: {text: str}
"""


@pytest.fixture(scope="module")
def from_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GraphClient]:
    folder = tmp_path_factory.mktemp("graphs")
    (folder / "nap.yaml").write_text(NAP)
    (folder / "late.yaml").write_text(LATE)
    (folder / "notes.txt").write_text("no graph")
    with _server_factory(tmp_path_factory) as start:
        yield GraphClient(start(flags=["--graphs", str(folder)]).client)


def test_what_the_folder_holds_is_listed_beside_the_built_in_graphs(from_files: GraphClient):
    listed = {row["graph_id"]: row for row in from_files.client.get("/v1/graphs").json()}

    assert set(listed) == {
        "agent",
        "approval",
        "chat",
        "compact",
        "fan-out-report",
        "late",
        "memory-review",
        "nap",
        "webhook-triage",
    }
    assert listed["nap"]["node_count"] == 3
    assert len(listed["nap"]["graph_hash"]) == 64


def test_a_question_that_nobody_answers_in_time_ends_the_run(from_files: GraphClient):
    run_id = from_files.start("", graph_id="late", inputs={})

    ended = from_files.until(run_id, "failed")
    too_late = from_files.command(run_id, "respond", {"response": {}})

    assert ended["error_class"] == "interrupt_timeout"
    assert "on_timeout=halt" in ended["error_cause"]
    assert too_late.status_code == 409


def start_nap(graphs: GraphClient) -> str:
    """A run that is past its first step."""
    run_id = graphs.start("", graph_id="nap", inputs={})
    graphs.until_first_step(run_id)
    graphs.until(run_id, "running")
    return run_id


def test_a_run_that_sleeps_is_cancelled_at_once(from_files: GraphClient):
    run_id = start_nap(from_files)

    answer = from_files.command(run_id, "cancel")

    assert answer.status_code == 200
    assert answer.json()["status"] == "cancelled"
    assert from_files.client.get(f"/v1/runs/{run_id}/state").json()["state"]["text"] == "one"


def test_a_run_that_sleeps_can_be_paused_and_sleeps_on(from_files: GraphClient):
    run_id = start_nap(from_files)

    from_files.command(run_id, "pause")
    from_files.until(run_id, "paused")
    from_files.command(run_id, "resume")
    from_files.until(run_id, "running")
    from_files.command(run_id, "cancel")

    assert from_files.client.get(f"/v1/runs/{run_id}/state").json()["step"] == 0


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        (
            "typo.yaml",
            TYPO,
            "typo.yaml: /nodes/0/config/content_field: no such state field"
            " (expected one of artifact_ref, goal, text, got 'txet'). Declare it in state_schema.",
        ),
        ("date.yaml", "id: 2020-13-45", "date.yaml: /: not YAML: month must be in 1..12"),
        ("bytes.yaml", b"id: \xff", "bytes.yaml: /: not UTF-8"),
        (
            "agent.json",
            '{"ir_version": "1.1.0", "id": "agent"}',
            "agent.json: /nodes: Field required",
        ),
    ],
)
def test_a_bad_file_is_named_and_the_server_does_not_start(
    start_server: StartServer, tmp_path: Path, name: str, text: str | bytes, complaint: str
):
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    with pytest.raises(ServerFailed) as refused:
        start_server(flags=["--graphs", str(tmp_path)], workers=0)

    [line] = [line for line in str(refused.value).splitlines() if name in line]
    assert f"a graph is refused: {complaint}" in line
    assert "Traceback" not in str(refused.value)
