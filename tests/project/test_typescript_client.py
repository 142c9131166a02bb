"""A TypeScript client, with types generated from the OpenAPI document, drives a server.

Node and what `npm ci` installs in `tests/typescript` are for this test alone; `.ci/run` sets them
up.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.server import ROOT, RunningServer

SOURCES = ROOT / "tests/typescript"
PACKAGES = SOURCES / "node_modules"

pytestmark = pytest.mark.skipif(
    os.environ.get("CI") != "true" and not (shutil.which("node") and PACKAGES.is_dir()),
    reason="wants Node and `npm ci` in tests/typescript",
)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client, after the compiler has found nothing wrong with it."""
    folder = tmp_path_factory.mktemp("typescript")
    for name in ("client.ts", "package.json", "tsconfig.json"):
        shutil.copy(SOURCES / name, folder)
    (folder / "node_modules").symlink_to(PACKAGES)
    document = str(ROOT / "docs/reference/openapi.json")
    run(
        [
            *("node_modules/.bin/openapi-typescript", document),
            *("--default-non-nullable", "false", "--output", "starport.ts"),
        ],
        folder,
    )
    run(["node_modules/.bin/tsc"], folder)
    return folder / "client.js"


def test_it_starts_a_run_answers_its_question_and_reads_it_back(
    compiled: Path, server: RunningServer
):
    seen = json.loads(run(["node", compiled.name, server.url, server.admin_key], compiled.parent))

    assert seen["graph_id"] == "approval"
    assert seen["state"]["draft"] == "We ship on Friday."
    assert seen["state"]["review"]["decision"] == "approve"
    assert seen["run_id"] in seen["listed"]
    assert seen["refusal"] == [404, "run 'nope' not found"]


def run(command: Sequence[str], folder: Path) -> str:
    """What a program printed that ended well."""
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
