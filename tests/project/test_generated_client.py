"""A Python client, generated from the OpenAPI document, drives a server."""

import importlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.runs.graph_api.attaching import attach, put_file
from tests.runs.graph_api.client import PATIENCE_SECONDS, GraphClient
from tests.server import ROOT, RunningServer, tool

PACKAGE = "starport_generated_client"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The generated package: its client, and its operations by their names in Python."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "config.yaml").write_text("post_hooks: []\n")
    generated = subprocess.run(
        [
            *(tool("openapi-python-client"), "generate", "--fail-on-warning", "--meta", "none"),
            *("--path", str(ROOT / "docs/reference/openapi.json")),
            *("--config", "config.yaml", "--output-path", PACKAGE),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert generated.returncode == 0, generated.stdout + generated.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        found = {
            file.stem: importlib.import_module(f"{PACKAGE}.api.graphs.{file.stem}")
            for file in sorted(Path(folder, PACKAGE, "api", "graphs").glob("[a-z]*.py"))
        }
        client = importlib.import_module(f"{PACKAGE}.client")
        models = importlib.import_module(f"{PACKAGE}.models")
        yield SimpleNamespace(
            **found, AuthenticatedClient=client.AuthenticatedClient, models=models
        )


@pytest.fixture
def client(api: Any, server: RunningServer) -> Iterator[Any]:
    with api.AuthenticatedClient(base_url=server.url, token=server.admin_key) as client:
        yield client


def test_it_starts_answers_forks_and_lists_runs(api: Any, client: Any, server: RunningServer):
    body = api.models.StartGraphRunBody.from_dict(
        {"graph_id": "approval", "inputs": {"draft": "We ship on Friday."}}
    )

    started = api.start_graph_run.sync(client=client, body=body)
    _wait_until(api, client, started.run_id, "awaiting-input")
    answer = api.models.RespondBody.from_dict({"response": {"decision": "approve"}})
    api.respond_to_run.sync(started.run_id, client=client, body=answer)
    done = _wait_until(api, client, started.run_id, "done")
    fork = api.models.CounterfactualBody.from_dict(
        {"step": 1, "mutation": {"respond_payloads": {"1": {"decision": "reject"}}}}
    )
    forked = api.fork_run.sync(started.run_id, client=client, body=fork)

    assert done.finished_at is not None
    assert forked.parent_run_id == started.run_id
    page = api.list_run_history.sync(client=client, limit=1000)
    assert {started.run_id, forked.run_id} <= {run.run_id for run in page.items}


def test_it_lists_and_reads_artifacts(api: Any, client: Any, server: RunningServer):
    run_id = attach(GraphClient(server.client), path=put_file(server, "read.txt", b"read me"))

    [found] = api.list_run_artifacts.sync(run_id, client=client)
    content = api.get_artifact.sync(found.artifact_id, client=client)

    assert found.name == "read.txt"
    assert content.payload.read() == b"read me"


def test_it_understands_refusals(api: Any, client: Any, server: RunningServer):

    missing = api.get_run_summary.sync_detailed("nope", client=client)
    invalid = api.list_run_history.sync(client=client, limit=0)

    assert missing.status_code == 404
    assert missing.parsed.detail == "run 'nope' not found"
    assert invalid.detail[0].loc == ["query", "limit"]


def _wait_until(api: Any, client: Any, run_id: str, status: str) -> Any:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (summary := api.get_run_summary.sync(run_id, client=client)).status != status:
        assert time.monotonic() < deadline, summary
        time.sleep(0.05)
    return summary
