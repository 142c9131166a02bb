"""Runs that attach files, and what comes of it."""

import json
import secrets
from pathlib import Path
from typing import Any

from tests.runs.graph_api.client import GraphClient
from tests.server import RunningServer


def put_file(server: RunningServer, name: str, data: bytes) -> str:
    """A file that `attach` may read; its path, which no other test uses."""
    folder = Path(server.data_dir, "files", secrets.token_hex(4))
    folder.mkdir(parents=True)
    (folder / name).write_bytes(data)
    return f"{folder.name}/{name}"


def attach(graphs: GraphClient, **arguments: str) -> str:
    """The id of an ended run that attached a file (`path`) or an artifact (`artifact_id`)."""
    return attach_all(graphs, arguments)


def attach_all(graphs: GraphClient, *arguments: dict[str, str]) -> str:
    """The same with one call after the other."""
    calls = [f"!tool attach {json.dumps(each)}" for each in arguments]
    run_id = graphs.start("\n!turn\n".join([*calls, "!say done"]))
    graphs.until(run_id, "done")
    return run_id


def artifacts_of(graphs: GraphClient, run_id: str) -> list[dict[str, Any]]:
    answer = graphs.client.get(f"/v1/runs/{run_id}/artifacts")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


def outcome_of(graphs: GraphClient, run_id: str) -> Any:
    """The result or the error of the run's first tool call."""
    events = graphs.client.get(f"/api/v1/runs/{run_id}/events").json()["events"]
    return next(
        event["payload"].get("result", event["payload"].get("error"))
        for event in events
        if event["kind"] in ("ToolCallCompleted", "ToolCallFailed")
    )
