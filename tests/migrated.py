"""A migrated database, made once per test process and copied for each server of a test.

A server migrates whatever it starts on; on a copy that takes a moment instead of seconds. Starts on
an empty folder or database have tests of their own in `tests/project/test_serve.py`.
"""

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from tests.server import ServerFailed, backing_services, clean_environment, run_manage

_SQLITE_FILE = "starport.sqlite3"


def template_database() -> str:
    """The name of the PostgreSQL database to copy; empty on SQLite."""
    if not os.environ.get("DATABASE_URL"):
        return ""
    return urlsplit(_template()["DATABASE_URL"]).path.lstrip("/")


def copy_sqlite_database(data_dir: Path) -> None:
    """Put the migrated database into a data folder. Nothing to do on PostgreSQL."""
    if not os.environ.get("DATABASE_URL"):
        copy = data_dir / _SQLITE_FILE
        copy.touch(mode=0o600)  # as the program makes it
        shutil.copyfile(Path(_template()["STARPORT_DATA"], _SQLITE_FILE), copy)


@cache
def _template() -> dict[str, str]:
    """The environment of an installation that was migrated and never served."""
    data_dir = Path(tempfile.mkdtemp(prefix="starport-template-"))
    atexit.register(shutil.rmtree, data_dir, ignore_errors=True)
    services = backing_services()
    environment = clean_environment(data_dir, **services.__enter__())
    atexit.register(services.__exit__, None, None, None)
    migrated = run_manage("migrate", "--verbosity", "0", environment=environment)
    if migrated.returncode:
        raise ServerFailed(migrated.stderr)
    return environment
