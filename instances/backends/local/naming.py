"""What instances are called."""

import re
import secrets

from instances.errors import RequestRefused

MAX_TEXT = 100  # characters of a name and of a region


def checked(text: str | None, what: str) -> str | None:
    text = (text or "").strip()
    if len(text) > MAX_TEXT or not text.isprintable():
        raise RequestRefused(
            f"{what} must be at most {MAX_TEXT} characters, all of them printable", status=422
        )
    return text or None


def new_id(name: str | None) -> str:
    """Something unique first, since lists cut ids, and then something to read."""
    words = re.sub(r"[^a-z0-9]+", "-", (name or "").lower()).strip("-")[:40].rstrip("-")
    return f"{secrets.token_hex(4)}-{words}" if words else secrets.token_hex(4)
