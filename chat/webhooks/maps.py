"""Endpoints and their deliveries as clients see them."""

from datetime import datetime
from typing import Any

import orjson

from chat.api.shapes import moment
from chat.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint


def endpoint_map(endpoint: WebhookEndpoint) -> dict[str, Any]:
    return {
        "id": endpoint.pk,
        "url": endpoint.url,
        "description": endpoint.description,
        "events": endpoint.events,
        "user_id": endpoint.owner or None,
        "enabled": endpoint.is_enabled,
        "disabled_reason": endpoint.disabled_reason or None,
        "consecutive_failures": endpoint.consecutive_failures,
        "failing_since": _moment(endpoint.failing_since),
        "previous_secret_until": _moment(endpoint.previous_secret_until),
        "created_at": moment(endpoint.created_at),
    }


def delivery_map(delivery: WebhookDelivery) -> dict[str, Any]:
    """With all attempts; reads them unless they were read before."""
    return {
        "id": delivery.pk,
        "message_id": delivery.message_id,
        "type": delivery.message.type,
        "state": delivery.state,
        "created_at": moment(delivery.created_at),
        "next_attempt_at": _moment(delivery.next_attempt_at),
        "settled_at": _moment(delivery.settled_at),
        "payload": orjson.loads(delivery.message.body),
        "attempts": [_attempt_map(attempt) for attempt in delivery.attempts.all()],
    }


def _attempt_map(attempt: WebhookAttempt) -> dict[str, Any]:
    return {
        "at": moment(attempt.at),
        "status": attempt.status,
        "duration_ms": attempt.duration_ms,
        "error": attempt.error or None,
        "response": attempt.response,
    }


def _moment(at: datetime | None) -> str | None:
    return None if at is None else moment(at)
