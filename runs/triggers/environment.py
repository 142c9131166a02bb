"""Secrets that the environment holds, as `NAME` or as the file that `NAME_FILE` names."""

import os
from pathlib import Path


def secret_from(variable: str) -> str:
    """Empty when neither is there. Read at each use: a file may be replaced while we run."""
    value = os.environ.get(variable, "")
    path = os.environ.get(f"{variable}_FILE", "")
    if value or not path:
        return value
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
