"""What a session with a key might leave on this machine."""

import time
from collections.abc import Callable
from pathlib import Path

from tests.instances.cli.conftest import Installation
from tests.instances.fake_backend import PATIENCE_SECONDS


def left_behind(installation: Installation, key: str) -> list[Path]:
    """What is in a folder for temporary files, and every file of the data folder with the key."""
    temporary = [
        *(installation.scratch / "tmp").iterdir(),
        *(installation.scratch / "run").iterdir(),
        *Path("/dev/shm").glob("starport-*"),  # noqa: S108
    ]
    files = (path for path in installation.data_dir.rglob("*") if path.is_file())
    secret = key.splitlines()[1].encode()
    return temporary + [path for path in files if secret in path.read_bytes()]


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
