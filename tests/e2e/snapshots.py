"""What lies in a server's database, read behind its back."""

import shutil
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cbor2
import psycopg

_EVENTS = "SELECT run_id, seq, hash, payload, kind FROM runs_event"


@dataclass(frozen=True)
class Recorded:
    """One event as its row has it. `payload` is `None` when it is kept outside the table."""

    kind: int
    hash: bytes
    payload: bytes | None

    @property
    def data(self) -> dict[str, Any]:
        decoded: dict[str, Any] = cbor2.loads(self.payload or b"\xa0")
        return decoded


Snapshot = dict[tuple[str, int], Recorded]  # by run id and seq


def read_events(data_dir: Path, environment: Mapping[str, str]) -> Snapshot:
    """Every event there is. No server needs to run."""
    return {
        (row[0], row[1]): Recorded(row[4], bytes(row[2]), None if row[3] is None else bytes(row[3]))
        for row in query(data_dir, environment, _EVENTS)
    }


def query(data_dir: Path, environment: Mapping[str, str], statement: str) -> list[tuple[Any, ...]]:
    if url := environment.get("DATABASE_URL"):
        with psycopg.connect(url) as connection:
            return connection.execute(statement).fetchall()
    # A copy, so that it is the server that recovers what its predecessor left, and not we.
    with tempfile.TemporaryDirectory() as folder:
        (path,) = data_dir.glob("*.sqlite3")
        for name in (path.name, f"{path.name}-wal"):
            if (data_dir / name).exists():
                shutil.copy(data_dir / name, folder)
        with closing(sqlite3.connect(Path(folder, path.name))) as copy:
            return copy.execute(statement).fetchall()


def changed(before: Snapshot, after: Snapshot) -> list[tuple[str, int]]:
    """Which events of `before` are gone or different."""
    return [key for key, event in before.items() if after.get(key) != event]
