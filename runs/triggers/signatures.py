"""Whether a webhook request is from whom it should be. Pure: the checks in their order.

Every request answers for its nonce: what may come once. Whether it came before is the database's
to say.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Scheme = Literal["stargraph", "github"]

TIMESTAMP_HEADER = "X-Stargraph-Timestamp"
SIGNATURE_HEADERS: Mapping[Scheme, str] = {
    "stargraph": "X-Stargraph-Signature",
    "github": "X-Hub-Signature-256",
}
GITHUB_DELIVERY_HEADER = "X-GitHub-Delivery"
GITHUB_EVENT_HEADER = "X-GitHub-Event"
_GITHUB_PREFIX = "sha256="

_TIMESTAMP = re.compile(r"[0-9]{1,15}")


class SignatureRefused(Exception):
    """The request is not believed. `code` says which check failed."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Rules:
    """What a trigger asks of a request. An empty header name stands for the scheme's own."""

    scheme: Scheme
    secrets: Sequence[str]  # the current one, then the previous one
    window_seconds: int
    signature_header: str = ""
    timestamp_header: str = ""


def check(rules: Rules, headers: Mapping[str, str], body: bytes, *, now: float) -> str:
    """The request's nonce. Raises `SignatureRefused`. `headers` ignores the case of names."""
    signature = headers.get(rules.signature_header or SIGNATURE_HEADERS[rules.scheme])
    if rules.scheme == "github":
        return _check_github(rules, signature, headers.get(GITHUB_DELIVERY_HEADER), body)
    timestamp = headers.get(rules.timestamp_header or TIMESTAMP_HEADER)
    if not signature or not timestamp:
        raise SignatureRefused("missing_headers")
    if not _TIMESTAMP.fullmatch(timestamp):
        raise SignatureRefused("invalid_timestamp")
    if abs(now - int(timestamp)) > rules.window_seconds:
        raise SignatureRefused("timestamp_out_of_window")
    _check_hmac(rules.secrets, signature, timestamp.encode() + b"." + body)
    return _hash(f"{signature.lower()}|{timestamp}")


def _check_github(rules: Rules, signature: str | None, delivery: str | None, body: bytes) -> str:
    if not signature or not delivery:
        raise SignatureRefused("missing_headers")
    if not signature.startswith(_GITHUB_PREFIX):
        raise SignatureRefused("invalid_signature")
    _check_hmac(rules.secrets, signature.removeprefix(_GITHUB_PREFIX), body)
    # What is signed names the request. The delivery's id is not: whoever saw one request could
    # send it again and again under new ones.
    return _hash(f"github|{signature.lower()}")


def _check_hmac(secrets: Sequence[str], signature: str, signed: bytes) -> None:
    presented = signature.lower().encode(errors="replace")
    # Every secret is tried: how long it takes must not tell which one fits.
    fits = [hmac.compare_digest(sign(secret, signed).encode(), presented) for secret in secrets]
    if not any(fits):
        raise SignatureRefused("invalid_signature")


def sign(secret: str, signed: bytes) -> str:
    """HMAC-SHA256, lower-case hex."""
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def idempotency_key(trigger_id: str, body_hash: str) -> str:
    """Of the run for one body. `body_hash` is SHA-256, hex."""
    return _hash(f"{trigger_id}|{body_hash}")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
