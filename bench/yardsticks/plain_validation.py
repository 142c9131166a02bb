"""Checking a chain in plain Python: read, decode, follow the links, hash."""

import sqlite3
from pathlib import Path

import cbor2
from blake3 import blake3


def check(database: Path, run_id: str) -> int:
    """How many events of the run's log hang together. Raises `AssertionError` when one does not."""
    connection = sqlite3.connect(database)
    rows = connection.execute(
        "SELECT seq, prev_hash, ts, kind, payload, hash FROM runs_event"
        " WHERE run_id = ? ORDER BY seq",
        [run_id],
    ).fetchall()
    connection.close()
    run_field = cbor2.dumps("run_id") + cbor2.dumps(run_id) + cbor2.dumps("payload")
    previous = None
    for expected, (seq, prev_hash, ts, kind, payload, digest) in enumerate(rows, start=1):
        assert isinstance(cbor2.loads(payload), dict)
        assert seq == expected and prev_hash == previous
        envelope = b"\xa6\x62ts%b\x63seq%b\x64kind%b%b%b\x69prev_hash%b" % (
            cbor2.dumps(ts),
            cbor2.dumps(seq),
            cbor2.dumps(kind),
            run_field,
            payload,
            cbor2.dumps(prev_hash),
        )
        assert blake3(envelope).digest() == digest
        previous = digest
    return len(rows)
