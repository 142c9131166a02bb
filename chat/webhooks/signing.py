"""Secrets of endpoints and the signatures made with them: https://www.standardwebhooks.com."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime

from chat.models import WebhookEndpoint
from project.lib import sealing

PREFIX = "whsec_"
SECRET_BYTES = 32
_PURPOSE = "starport outgoing webhook secrets"


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def seal(secret: str) -> str:
    return sealing.seal(secret, purpose=_PURPOSE)


def secrets_of(endpoint: WebhookEndpoint, now: datetime) -> list[str]:
    """Those that sign now, the current one first. Empty when it cannot be read any more."""
    current = sealing.unseal(endpoint.secret_sealed, purpose=_PURPOSE)
    if not current:
        return []
    until = endpoint.previous_secret_until
    if until is None or until <= now:
        return [current]
    previous = sealing.unseal(endpoint.previous_secret_sealed, purpose=_PURPOSE)
    return [current, previous] if previous else [current]


def signed_headers(
    message_id: str, timestamp: int, body: bytes, with_secrets: Sequence[str]
) -> dict[str, str]:
    """`timestamp` is that of the attempt, Unix seconds: receivers refuse old ones."""
    signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    signatures = [_signature(secret, signed) for secret in with_secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"
