"""Requests that nobody would think of, made by Schemathesis from the OpenAPI document.

`STARPORT_FUZZ_SECONDS=600` goes on for that long, with other requests each time; `make fuzz` does.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.instances.fake_backend import FakeBackend
from tests.server import tool

SECONDS = int(os.environ.get("STARPORT_FUZZ_SECONDS") or 0)

#: Of two credentials at once the first counts; parameters and fields that nobody reads are ignored
#: by intent; only the graph can judge its inputs.
NOT_PROMISED = "ignored_auth,negative_data_rejection,positive_data_acceptance"
#: What single operations do not promise.
CONFIG = Path(__file__).with_name("schemathesis.toml")
#: An open stream has no end to wait for.
ENDLESS = "/(stream|logs)$"


@pytest.fixture
def backend() -> Iterator[FakeBackend]:
    """Without one, instances could only be answered with 503."""
    made = FakeBackend()
    yield made
    made.close()


def test_every_answer_is_one_that_the_document_describes(
    start_server: StartServer, backend: FakeBackend, tmp_path: Path
):
    server = start_server(
        flags=["--queue", "100000"],
        env={
            "RATELIMIT_COUNTERFACTUAL": "100000",
            "STARPOD_INSTANCE_BACKEND_URL": backend.url,
        },
    )
    for_how_long = (
        ["--max-time", str(SECONDS), "--max-examples", "200"]
        if SECONDS
        else ["--seed", "1", "--max-examples", "5", "--phases", "examples,coverage,fuzzing"]
    )

    done = subprocess.run(
        [
            *(tool("st"), "--config-file", str(CONFIG)),
            *("run", f"{server.url}/openapi.json", "--continue-on-failure"),
            *("--header", f"X-API-Key: {server.admin_key}", "--request-timeout", "60"),
            *("--exclude-checks", NOT_PROMISED, "--exclude-path-regex", ENDLESS),
            *("--warnings", "off", "--suppress-health-check", "all", *for_how_long),
        ],
        cwd=tmp_path,  # it keeps what it finds in the current folder
        capture_output=True,
        text=True,
        timeout=SECONDS + 500,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
