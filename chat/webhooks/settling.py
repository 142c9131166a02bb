"""What an attempt changes: the delivery, its log, and what is thought of the endpoint."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import models, transaction

from accounts import audit
from chat.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from chat.webhooks import metrics, outbox, schedule
from project.lib.db import write_transaction
from runs.log.redaction import redact_text

if TYPE_CHECKING:
    from chat.webhooks.claims import Letter
    from chat.webhooks.sending import Result

logger = logging.getLogger(__name__)

PACK_ID = "starport.webhooks"
COURIER = "webhooks.courier"  # who is recorded as having disabled an endpoint
#: An endpoint that has failed all that time is given up: longer than one delivery is tried.
DISABLE_AFTER = timedelta(days=5)
GONE = 410
ERROR_CHARS = 300

State = WebhookDelivery.State


def settle(letter: Letter, result: Result, now: datetime) -> None:
    """Record an attempt. An endpoint that was deleted meanwhile has no log any more."""
    with write_transaction():
        endpoint = lock(letter.endpoint_id)
        delivery = _lock_delivery(letter.delivery_id)
        if endpoint is None or delivery is None:
            return
        WebhookAttempt.objects.create(
            delivery=delivery,
            at=now - timedelta(milliseconds=result.duration_ms),
            status=result.status,
            duration_ms=result.duration_ms,
            error=result.error[:ERROR_CHARS],
            response=redact_text(result.response),
        )
        _move_on(delivery, letter, result, now)
        _judge(endpoint, result, now)
    outcome = "delivered" if result.is_taken else "failed"
    metrics.attempt_duration.labels(outcome).observe(result.duration_ms / 1000)


def cancel(deliveries: Iterable[WebhookDelivery], now: datetime) -> None:
    """What may not be sent any more. The caller is inside a transaction."""
    ids = [delivery.pk for delivery in deliveries]
    pending = WebhookDelivery.objects.filter(pk__in=ids, state=State.PENDING)
    _count(State.CANCELLED, _end(pending, State.CANCELLED, now))


def disable(endpoint: WebhookEndpoint, reason: str, now: datetime, *, actor: str) -> None:
    """Nothing more goes there, not even what waits. The caller holds the endpoint's row."""
    endpoint.is_enabled, endpoint.disabled_reason = False, reason
    endpoint.save(update_fields=["is_enabled", "disabled_reason"])
    waiting = WebhookDelivery.objects.filter(endpoint=endpoint, state=State.PENDING)
    _count(State.CANCELLED, _end(waiting, State.CANCELLED, now))
    transaction.on_commit(outbox.forget)
    audit.record(
        "webhook_endpoint_disabled",
        actor=actor,
        pack_id=PACK_ID,
        durable=True,
        endpoint_id=endpoint.pk,
        reason=reason,
    )


def lock(endpoint_id: str) -> WebhookEndpoint | None:
    """Until the transaction ends. Everybody locks an endpoint before its deliveries."""
    locked: models.QuerySet[WebhookEndpoint] = WebhookEndpoint.objects.select_for_update(
        no_key=True
    )
    return locked.filter(pk=endpoint_id).first()


def _lock_delivery(delivery_id: str) -> WebhookDelivery | None:
    locked: models.QuerySet[WebhookDelivery] = WebhookDelivery.objects.select_for_update(
        no_key=True
    )
    return locked.filter(pk=delivery_id).first()


def _move_on(delivery: WebhookDelivery, letter: Letter, result: Result, now: datetime) -> None:
    """A late result changes nothing but this: what was taken is delivered, whoever sent it."""
    if result.is_taken:
        if delivery.state != State.DELIVERED:
            _finish(delivery, State.DELIVERED, now)
        return
    if delivery.state != State.PENDING or delivery.claim != letter.claim:
        return  # cancelled, sent again by hand, or another process has it
    delivery.tries += 1
    delivery.claim = ""
    delivery.next_attempt_at = schedule.next_attempt(
        delivery.tries, now, status=result.status, headers=result.headers
    )
    if delivery.next_attempt_at is None:
        _finish(delivery, State.FAILED, now)
    else:
        delivery.save(update_fields=["tries", "claim", "next_attempt_at"])


def _finish(delivery: WebhookDelivery, state: str, now: datetime) -> None:
    delivery.state, delivery.settled_at = state, now
    delivery.next_attempt_at, delivery.claim = None, ""
    delivery.save()
    _count(state, 1)


def _end(deliveries: models.QuerySet[WebhookDelivery], state: str, now: datetime) -> int:
    count: int = deliveries.update(state=state, settled_at=now, next_attempt_at=None, claim="")
    return count


def _count(state: str, count: int) -> None:
    if count:
        metrics.deliveries.labels(str(state)).inc(count)


def _judge(endpoint: WebhookEndpoint, result: Result, now: datetime) -> None:
    if result.is_taken:
        if endpoint.consecutive_failures:
            endpoint.consecutive_failures, endpoint.failing_since = 0, None
            endpoint.save(update_fields=["consecutive_failures", "failing_since"])
        return
    endpoint.consecutive_failures += 1
    endpoint.failing_since = endpoint.failing_since or now
    endpoint.save(update_fields=["consecutive_failures", "failing_since"])
    reason = _reason_to_disable(endpoint, result, now)
    if reason and endpoint.is_enabled:
        logger.warning(
            "an outgoing webhook was disabled",
            extra={"endpoint": endpoint.pk, "reason": reason},
        )
        disable(endpoint, reason, now, actor=COURIER)


def _reason_to_disable(endpoint: WebhookEndpoint, result: Result, now: datetime) -> str:
    if result.status == GONE:
        return "the receiver answered 410: it is gone"
    assert endpoint.failing_since is not None  # a failure was just counted
    if now - endpoint.failing_since >= DISABLE_AFTER:
        return f"nothing was delivered for {DISABLE_AFTER.days} days"
    return ""
