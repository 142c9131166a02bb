"""What credentials look like inside texts that others wrote: URLs, header dumps, tracebacks."""

import re

REPLACEMENT = "[redacted]"

_SECRET_SHAPES = re.compile(
    r"(?P<before>[?&](?:token|access_token|api_key|key)=)[^&\s\"']+"
    r"|(?P<scheme>(?i:bearer|apikey|basic) )[A-Za-z0-9._~+/=-]{6,}"
    r"|(?P<userinfo>://[^/\s:@]*:)[^/\s@]+(?=@)"
    r"|sp_live_[A-Za-z0-9]+"
    r"|sk-[A-Za-z0-9_-]{16,}"
    r"|\b\d{6,}:[A-Za-z0-9_-]{30,}"  # Telegram bot tokens
)


def redact_text(text: str) -> str:
    """`text` with everything that looks like a credential replaced."""
    return _SECRET_SHAPES.sub(_replacement, text)


def _replacement(match: re.Match[str]) -> str:
    kept = match["before"] or match["scheme"] or match["userinfo"] or ""
    return kept + REPLACEMENT
