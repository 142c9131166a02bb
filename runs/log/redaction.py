"""Secrets that must never enter a log: the patterns applied before every append."""

import dataclasses
import functools
import re
from typing import Any

from django.conf import settings

from runs import operator_settings
from runs.event_types import Payload

REPLACEMENT = "[redacted]"

# Shapes that are secrets wherever they turn up. STARPORT_REDACT and live settings add more, and
# these can be switched off in live settings.
BUILT_IN_PATTERNS = (
    r"sk-(?:ant-|proj-|or-)?[A-Za-z0-9_-]{20,}",  # OpenAI, Anthropic, OpenRouter keys
    r"sp_live_[0-9a-f]{40}",  # our own API keys
    r"AKIA[0-9A-Z]{16}",  # AWS access key ids
    r"gh[pousr]_[A-Za-z0-9]{36,}",  # GitHub tokens
    r"github_pat_[A-Za-z0-9_]{22,}",
    r"xox[abprs]-[A-Za-z0-9-]{10,}",  # Slack tokens
    r"AIza[0-9A-Za-z_-]{35}",  # Google API keys
    r"[0-9]{8,12}:AA[A-Za-z0-9_-]{33}",  # tokens of Telegram bots
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
)


_BUILT_IN = re.compile("|".join(f"(?:{pattern})" for pattern in BUILT_IN_PATTERNS))
_BUILT_IN_BYTES = re.compile(_BUILT_IN.pattern.encode())


def redact_payload(payload: Payload, encoded: bytes) -> Payload | None:
    r"""A copy of `payload` without secrets, or `None` when it holds none.

    `encoded` is its CBOR: text lies in it as plain UTF-8, so one search over the bytes settles
    the common case. Only for our own patterns, which are ASCII: in bytes an operator's `\w` knows
    no umlaut, and `^` and `$` find no value's edge.
    """
    further = _operator_patterns() or operator_settings.now().patterns
    if not further and _BUILT_IN_BYTES.search(encoded) is None:
        return None
    changes = {
        item.name: redact_value(getattr(payload, item.name)) for item in dataclasses.fields(payload)
    }
    cleaned = dataclasses.replace(payload, **changes)
    return None if cleaned == payload else cleaned


def redact_text(text: str) -> str:
    """`text` with every known secret replaced."""
    live = operator_settings.now()
    built_in = (_BUILT_IN,) if live.has_built_in_patterns else ()
    for pattern in (*built_in, *_operator_patterns(), *live.patterns):
        text = pattern.sub(REPLACEMENT, text)
    return text


def redact_value(value: Any) -> Any:
    """A JSON value with the secrets replaced in its strings and keys, however deep."""
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, list):
        return [redact_value(item) for item in value]
    if isinstance(value, dict):
        return {redact_text(key): redact_value(item) for key, item in value.items()}
    return value


@functools.cache  # read once: this runs for every event
def _operator_patterns() -> tuple[re.Pattern[str], ...]:
    """Each compiled by itself: a flag such as `(?i)` must begin its pattern, and is its alone."""
    return tuple(re.compile(source) for source in settings.STARPORT_REDACT)
