"""`runs export`: a log as NDJSON, in the shape that Starling's exporter writes."""

import argparse
import base64

from project.lib.terminal import Terminal
from runs.errors import RunNotFound
from runs.log.events import StoredEvent, to_json
from runs.log.read import walk_events
from runs.management.lookup import find_run
from runs.management.preflight import require_database

# The contract's exporter writes JSON that may stand inside HTML and JavaScript. All of these occur
# only within strings, so replacing bytes is safe.
_ESCAPES = {
    b"<": rb"\u003c",
    b">": rb"\u003e",
    b"&": rb"\u0026",
    "\u2028".encode(): rb"\u2028",
    "\u2029".encode(): rb"\u2029",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_id", metavar="ID")


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    require_database()
    chosen = find_run(options.run_id)
    is_empty = True
    for event in walk_events(chosen.id):
        terminal.json(_line(event))
        is_empty = False
    if is_empty:
        raise RunNotFound(f"run {chosen.id} has no events yet")
    return 0


def _line(event: StoredEvent) -> bytes:
    item = {
        "run_id": event.run_id,
        "seq": event.seq,
        "ts": event.ts,
        "kind": event.kind_name,
        "prev_hash": None
        if event.prev_hash is None
        else base64.b64encode(event.prev_hash).decode(),
        "payload": None if event.is_redacted else event.data,
    }
    if event.is_redacted:
        item["redacted"] = True
    line = to_json(item)
    for raw, escaped in _ESCAPES.items():
        line = line.replace(raw, escaped)
    return line
