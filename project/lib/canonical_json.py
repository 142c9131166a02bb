"""RFC 8785: the one way to write a JSON value, so that equal values have equal hashes."""

import hashlib
from typing import Any

import rfc8785


class NotCanonical(ValueError):
    """The value has no canonical form: an integer beyond 2^53 - 1, or no JSON value at all."""


def canonical_hash(value: Any) -> str:
    """SHA-256 of the canonical form, lower-case hex. Raises `NotCanonical`."""
    try:
        canonical = rfc8785.dumps(value)
    except ValueError as error:  # its own errors, and lone surrogates in keys
        raise NotCanonical(str(error)) from None
    return hashlib.sha256(canonical).hexdigest()
