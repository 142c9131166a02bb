"""Exceptions that nobody handled: their tracebacks go to the audit trail, and to nobody else.

The client gets a fixed sentence and the request id, by which the record is found.
"""

import logging
import sys
import traceback
from functools import cache

import structlog
from django.core.signals import got_request_exception
from django.db import DatabaseError
from django.dispatch import receiver
from django.http import HttpRequest
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from accounts import audit
from runs.log.redaction import redact_text

logger = logging.getLogger(__name__)

PACK = "stargraph.serve"
#: A defect that anybody can trigger must not fill the trail.
_QUOTA = RateLimitItemPerMinute(60)
_MAX_TRACEBACK = 8_000  # characters, of the end: there it happened


@receiver(got_request_exception)
def record_unhandled(sender: object, request: HttpRequest | None = None, **_kwargs: object) -> None:
    """Called by Django while the exception is being handled."""
    error = sys.exc_info()[1]
    if error is None or request is None or not _limiter().hit(_QUOTA, PACK):
        return
    principal = getattr(request, "principal", None)
    text = "".join(traceback.format_exception(error))
    try:
        audit.record(
            "unhandled_exception",
            actor=None if principal is None else principal.actor,
            pack_id=PACK,
            durable=True,
            route=audit.shortened(request.path),
            request_id=str(structlog.contextvars.get_contextvars().get("request_id", "")),
            error_class=type(error).__name__,
            traceback=redact_text(text)[-_MAX_TRACEBACK:],
        )
    except DatabaseError:
        logger.exception("an unhandled exception could not be recorded")


@cache
def _limiter() -> MovingWindowRateLimiter:
    return MovingWindowRateLimiter(MemoryStorage())
