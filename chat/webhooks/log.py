"""The log of deliveries: read, sent again from, and forgotten in time."""

from datetime import timedelta

from django.conf import settings
from django.db import models, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from accounts import audit
from chat.errors import WebhookDeliveryNotFound, WebhookDisabled
from chat.models import WebhookDelivery, WebhookMessage
from chat.webhooks import settling
from chat.webhooks.clock import clock
from chat.webhooks.settling import PACK_ID
from project.lib.db import write_transaction
from runs.storable import NUL

FORGET_AT_ONCE = 500

State = WebhookDelivery.State


def deliveries_of(endpoint_id: str, *, limit: int) -> list[WebhookDelivery]:
    """The newest first, with their messages and attempts."""
    found = WebhookDelivery.objects.filter(endpoint_id=endpoint_id)
    newest = found.select_related("message").prefetch_related("attempts")
    return list(newest.order_by("-created_at", "-pk")[:limit])


def redeliver(endpoint_id: str, delivery_id: str, *, actor: str) -> WebhookDelivery:
    """Send a message again, now, under its id; what it came to before stays in the log.

    Raises `WebhookDeliveryNotFound` or `WebhookDisabled`.
    """
    if NUL in delivery_id or NUL in endpoint_id:
        raise WebhookDeliveryNotFound
    with write_transaction():
        endpoint = settling.lock(endpoint_id)
        found = WebhookDelivery.objects.filter(endpoint_id=endpoint_id, pk=delivery_id)
        locked: models.QuerySet[WebhookDelivery] = found.select_for_update(no_key=True)
        delivery = locked.first()
        if endpoint is None or delivery is None:
            raise WebhookDeliveryNotFound
        if not endpoint.is_enabled:
            raise WebhookDisabled
        delivery.state, delivery.settled_at, delivery.tries = State.PENDING, None, 0
        delivery.claim, delivery.next_attempt_at = "", timezone.now()
        delivery.save()
        transaction.on_commit(clock.wake)
        audit.record(
            "webhook_message_redelivered",
            actor=actor,
            pack_id=PACK_ID,
            durable=True,
            endpoint_id=endpoint_id,
            message_id=delivery.message_id,
        )
    return delivery


def forget_old_messages() -> int:
    """Delete what is older than `STARPORT_WEBHOOK_DAYS` and waits for nothing; how many.

    Safe to run anywhere, any number of times.
    """
    before = timezone.now() - timedelta(days=settings.STARPORT_WEBHOOK_DAYS)
    waiting = WebhookDelivery.objects.filter(message_id=OuterRef("pk"), state=State.PENDING)
    old = WebhookMessage.objects.filter(created_at__lt=before).exclude(Exists(waiting))
    forgotten = 0
    while ids := list(old.values_list("pk", flat=True)[:FORGET_AT_ONCE]):
        with write_transaction():
            WebhookMessage.objects.filter(pk__in=ids).delete()
        forgotten += len(ids)
    return forgotten
