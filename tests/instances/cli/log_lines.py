"""Entries as a backend sends them."""

import json

NOON = 1_774_008_000  # 2026-03-20 12:00:00 UTC


def entry(message: str, level: str = "info", timestamp: int = NOON) -> bytes:
    return json.dumps({"timestamp": timestamp, "level": level, "message": message}).encode()
