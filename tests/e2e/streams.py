"""Reading server-sent events."""

import json
from collections.abc import Iterator
from typing import Any


def frames(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Server-sent events up to and with `done`."""
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))
            if name == "done":
                return
