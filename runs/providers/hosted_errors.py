"""Whatever a provider, its SDK or the network throws, as one `ProviderError`."""

import re
from collections.abc import Iterable
from typing import Any

import httpx2
from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelHTTPError,
    ModelRateLimitError,
    ModelRequestRejectedError,
    ModelRequestTimeout,
    ModelServerError,
    ModelTimeoutError,
    ModelUnavailableError,
    UserError,
)

from runs.providers.base import ErrorKind, ProviderError

_MAX_MESSAGE_CHARS = 200
_SECRET_LOOKING = re.compile(r"https?://\S+|\b(?:sk|pk|key|AIza|AKIA)[-_A-Za-z0-9*]{8,}|Bearer \S+")

# The first class that fits decides; subclasses stand before their bases.
_KINDS: tuple[tuple[type[BaseException], ErrorKind], ...] = (
    (ModelRequestTimeout, "timeout"),
    (ModelTimeoutError, "timeout"),
    (ModelConnectionError, "network"),
    (ModelAuthenticationError, "auth"),
    (ModelRateLimitError, "rate_limit"),
    (ModelUnavailableError, "overloaded"),
    (ModelServerError, "overloaded"),
    (ModelRequestRejectedError, "bad_request"),
    (UserError, "bad_request"),
    (httpx2.TimeoutException, "timeout"),
    (httpx2.TransportError, "network"),
    (httpx2.StreamError, "network"),
)
# By name: importing boto3 to recognise its errors would cost those who never use it.
_BOTOCORE_KINDS: dict[str, ErrorKind] = {
    "NoCredentialsError": "auth",
    "PartialCredentialsError": "auth",
    "BotoCoreError": "network",
}

_SENTENCES: dict[ErrorKind, str] = {
    "rate_limit": "the provider asks to slow down",
    "overloaded": "the provider cannot serve the request now",
    "timeout": "the provider did not answer in time",
    "auth": "the provider refused the credentials",
    "bad_request": "the provider refused the request",
    "network": "the connection to the provider failed",
    "invalid_stream": "the provider's answer is incomplete or unreadable",
}


def provider_error(error: Exception, *, secrets: Iterable[str] = ()) -> ProviderError:
    status = error.status_code if isinstance(error, ModelHTTPError) else None
    kind = _kind_of_status(status) if status is not None else _kind_of_class(error)
    return ProviderError(
        kind,
        _message(kind, error, secrets),
        status=status,
        retry_after_seconds=error.retry_after if isinstance(error, ModelAPIError) else None,
    )


def incomplete_stream() -> ProviderError:
    return ProviderError("invalid_stream", "the provider's answer ended before its end marker")


def _kind_of_status(status: int) -> ErrorKind:
    match status:
        case 429:
            return "rate_limit"
        case 401 | 403:
            return "auth"
        case 408:
            return "timeout"
        case _ if status >= 500:
            return "overloaded"
        case _ if status >= 400:
            return "bad_request"
        case _:
            return "invalid_stream"


def _kind_of_class(error: Exception) -> ErrorKind:
    # What fits nothing broke while the answer was read: a chunk that is no JSON, a field of the
    # wrong type, an event out of order.
    for cls in type(error).__mro__:
        if cls.__module__ == "botocore.exceptions" and cls.__name__ in _BOTOCORE_KINDS:
            return _BOTOCORE_KINDS[cls.__name__]
    return next((kind for cls, kind in _KINDS if isinstance(error, cls)), "invalid_stream")


def _message(kind: ErrorKind, error: Exception, secrets: Iterable[str]) -> str:
    detail = "" if kind == "auth" else _providers_words(error)
    for secret in secrets:
        detail = detail.replace(secret, "***") if secret else detail
    detail = _SECRET_LOOKING.sub("***", " ".join(detail.split()))[:_MAX_MESSAGE_CHARS]
    return f"{_SENTENCES[kind]}: {detail}" if detail else _SENTENCES[kind]


def _providers_words(error: Exception) -> str:
    """The one sentence of the error body that is meant for people; never the body itself."""
    if isinstance(error, UserError):
        return str(error)
    body = error.body if isinstance(error, ModelAPIError) else None
    for candidate in (_field(_field(body, "error"), "message"), _field(body, "message")):
        if isinstance(candidate, str):
            return candidate
    for plain in (_field(body, "error"), body):
        if isinstance(plain, str) and "<" not in plain:  # else a gateway's error page
            return plain
    return "" if isinstance(error, ModelAPIError) else type(error).__name__


def _field(body: object, name: str) -> Any:
    return body.get(name) if isinstance(body, dict) else None
