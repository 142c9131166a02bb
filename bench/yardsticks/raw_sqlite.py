"""Hash-chained events by a plain `sqlite3` cursor: canonical CBOR and BLAKE3 made in the loop.

Nothing is shared with Starport's log but the bytes. The maps stand in canonical order before the
clock starts, so that cbor2's fast encoder writes them canonically.
"""

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cbor2
from blake3 import blake3

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA mmap_size=268435456",
    "PRAGMA cache_size=-32000",
)
_INSERT = "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?)"
_TABLE = (
    "CREATE TABLE event (run_id varchar(64) NOT NULL, seq integer NOT NULL, prev_hash BLOB,"
    " ts bigint NOT NULL, kind smallint NOT NULL, payload BLOB, hash BLOB NOT NULL,"
    " PRIMARY KEY (run_id, seq))"
)

Row = tuple[str, int, bytes | None, int, int, bytes, bytes]


class Chain:
    """One run's log as plain Python would keep it."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._run_field = cbor2.dumps("run_id") + cbor2.dumps(run_id) + cbor2.dumps("payload")
        self._seq = 0
        self._head: bytes | None = None

    def next_row(self, kind: int, payload: dict[str, Any], ts: int) -> Row:
        self._seq += 1
        encoded = cbor2.dumps(payload)
        digest = blake3(
            b"\xa6\x62ts%b\x63seq%b\x64kind%b%b%b\x69prev_hash%b"
            % (
                cbor2.dumps(ts),
                cbor2.dumps(self._seq),
                cbor2.dumps(kind),
                self._run_field,
                encoded,
                cbor2.dumps(self._head),
            )
        ).digest()
        row = (self._run_id, self._seq, self._head, ts, kind, encoded, digest)
        self._head = digest
        return row


def append_rate(
    path: Path, payloads: Sequence[tuple[int, dict[str, Any]]], *, runs: int, group: int
) -> float:
    """Events per second when `group` of them share a commit, round robin over `runs` logs."""
    database = sqlite3.connect(path, isolation_level=None)
    for pragma in _PRAGMAS:
        database.execute(pragma)
    database.execute("DROP TABLE IF EXISTS event")
    database.execute(_TABLE)
    chains = [Chain(f"01BENCH{number:019}") for number in range(runs)]
    cursor = database.cursor()
    began = time.perf_counter()
    for start in range(0, len(payloads), group):
        rows = [
            chains[(start + index) % runs].next_row(kind, payload, time.time_ns())
            for index, (kind, payload) in enumerate(payloads[start : start + group])
        ]
        cursor.execute("BEGIN IMMEDIATE")
        cursor.executemany(_INSERT, rows)
        cursor.execute("COMMIT")
    rate = len(payloads) / (time.perf_counter() - began)
    database.close()
    return rate
