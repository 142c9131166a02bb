"""What goes wrong with a backend, as our errors: one class for each status of the gateway.

Their texts never hold what the backend must not give away through us: our credential, in whatever
form it was sent, the address, and the secrets that an object of the second generation carries.
"""

import re
import time
from collections.abc import Iterable
from contextlib import suppress
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx
import orjson

from instances.errors import (
    BackendBusy,
    BackendFailed,
    BackendTimedOut,
    InstanceNotFound,
    InstancesError,
    NotSupported,
    RequestRefused,
)
from project.lib.secret_shapes import REPLACEMENT, redact_text

BODY_MAX_CHARS = 500

_RETRY_AFTER_MAX_SECONDS = 24 * 3600
_DETAIL_FIELDS = ("error", "detail", "message")
#: Whoever writes one of these has quoted an object, whose secrets have no shape of their own.
_NEVER_REPEATED = re.compile(r"(?i)starpod_api_key|secret_overrides|private[_ ]key")


def refusal_of(
    status: int, headers: httpx.Headers, body: bytes, *, hidden: Iterable[str]
) -> InstancesError:
    """An answer that is no success."""
    if 300 <= status < 400:
        return BackendFailed(f"{_phrase(status)}: redirects are not followed")
    if status in (401, 403):
        return BackendFailed(f"{_phrase(status)}: the backend does not take the configured key")
    said = _scrubbed(_said(headers, body), hidden)[:BODY_MAX_CHARS]
    message = f"{_phrase(status)}: {said}" if said else _phrase(status)
    if status == 404:
        return InstanceNotFound(message)
    if status in (400, 409, 422):
        return RequestRefused(message, status=status)
    if status == 501:
        return NotSupported(message)
    if status == 429:
        return BackendBusy(message, retry_after=_seconds(headers.get("Retry-After")))
    return BackendFailed(message)


def failure_of(error: httpx.HTTPError) -> InstancesError:
    """No answer, or half of one. The transport's own words name addresses."""
    if isinstance(error, httpx.TimeoutException):
        return BackendTimedOut("the backend did not answer in time")
    if isinstance(error, httpx.ConnectError):
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return BackendFailed("the certificate of the backend is not trusted")
        return BackendFailed("the backend cannot be reached")
    return BackendFailed("the connection to the backend broke off")


def _phrase(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _said(headers: httpx.Headers, body: bytes) -> str:
    """The backend's own words in one line.

    A page for browsers has none for us, and of an object only the fields that are meant for people.
    """
    if "html" in headers.get("Content-Type", ""):
        return ""
    text = body.decode(errors="replace").lstrip("\ufeff \t\r\n")
    if text.startswith(("{", "[")):
        text = _detail(text)
    if _NEVER_REPEATED.search(text):
        return ""
    return " ".join(text.replace("\x00", " ").split())


def _detail(text: str) -> str:
    """Empty for one that was cut off as well: nobody knows what it would have been."""
    with suppress(orjson.JSONDecodeError):
        answer = orjson.loads(text)
        if isinstance(answer, dict):
            found = (answer.get(name) for name in _DETAIL_FIELDS)
            return next((text for text in found if isinstance(text, str)), "")
    return ""


def _scrubbed(text: str, hidden: Iterable[str]) -> str:
    for secret in sorted(filter(None, hidden), key=len, reverse=True):
        text = text.replace(secret, REPLACEMENT)
    return redact_text(text)


def _seconds(retry_after: str | None) -> int | None:
    """Of a number of seconds or a date; at least one, at most a day."""
    if not retry_after:
        return None
    if retry_after.isascii() and retry_after.isdigit():
        seconds = float(retry_after[:9])
    else:
        try:
            seconds = parsedate_to_datetime(retry_after).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return min(max(1, int(seconds)), _RETRY_AFTER_MAX_SECONDS)
