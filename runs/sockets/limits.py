"""Telling the server how large a message a socket may send.

The servers of project.serve know the extension; under others the application's own check counts.
"""

from typing import Any

EXTENSION = "starport.message_limit"


def set_message_limit(scope: dict[str, Any], most_bytes: int, last_words: str) -> None:
    """A larger message is answered with the text `last_words`, and the socket closes with 1009."""
    extension = (scope.get("extensions") or {}).get(EXTENSION)
    if extension is not None:
        extension["set"](most_bytes, last_words)
