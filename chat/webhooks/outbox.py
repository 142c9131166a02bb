"""The outbox: what happened becomes a message with a delivery for each endpoint that wants it."""

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from django.db import IntegrityError, transaction

from chat.models import WebhookDelivery, WebhookEndpoint, WebhookMessage
from chat.webhooks.clock import clock
from chat.webhooks.event_types import matches
from chat.webhooks.news import News
from chat.webhooks.readers import Readers
from project.lib.db import write_transaction

#: Seconds for which this process remembers what anybody wants to hear of. An endpoint that another
#: process made within them is found by the sweep.
FRESH_SECONDS = 1.0

_wanted: frozenset[str] = frozenset()
_wanted_at = float("-inf")


def is_wanted(*event_types: str) -> bool:
    """Whether anybody may want to hear of one of these. Costs nothing while nobody does."""
    global _wanted, _wanted_at
    now = time.monotonic()
    if now - _wanted_at >= FRESH_SECONDS:
        _wanted = frozenset(name for endpoint in listening() for name in endpoint.events)
        _wanted_at = now
    return bool(_wanted) and any(matches(list(_wanted), name) for name in event_types)


def forget() -> None:
    """An endpoint was changed here: the next one who asks reads anew."""
    global _wanted_at
    _wanted_at = float("-inf")


def listening() -> list[WebhookEndpoint]:
    return list(WebhookEndpoint.objects.filter(is_enabled=True))


def publish(news: Sequence[News]) -> int:
    """Put what is news into the outbox, once each; how many messages it made.

    Any number of processes may find the same fact: of two messages of one key one is kept.
    """
    found = _unknown(_wanted_by(news, listening()))
    if not found:
        return 0
    made = 0
    with write_transaction():
        for item, endpoints in found:
            made += _put(item, endpoints)
        transaction.on_commit(clock.wake)
    return made


def put_test(item: News, endpoint: WebhookEndpoint) -> WebhookDelivery:
    """For one endpoint, whatever it wants. The caller is inside a transaction."""
    _put(item, [endpoint])
    transaction.on_commit(clock.wake)
    return endpoint.deliveries.select_related("message").get(message__key=item.key)


_Addressed = tuple[News, list[WebhookEndpoint]]


def _wanted_by(news: Iterable[News], endpoints: Sequence[WebhookEndpoint]) -> list[_Addressed]:
    if not endpoints:
        return []
    readers = Readers()
    addressed = ((item, _for(item, endpoints, readers)) for item in news)
    return [(item, listeners) for item, listeners in addressed if listeners]


def _for(
    item: News, endpoints: Sequence[WebhookEndpoint], readers: Readers
) -> list[WebhookEndpoint]:
    at = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=item.at_ns // 1_000)
    return [
        endpoint
        for endpoint in endpoints
        if at >= endpoint.active_since
        and matches(endpoint.events, item.type)
        and readers.may_hear(endpoint, item.type, item.run_owner)
    ]


def _unknown(addressed: Sequence[_Addressed]) -> list[_Addressed]:
    keys = [item.key for item, _ in addressed]
    known = set(WebhookMessage.objects.filter(key__in=keys).values_list("key", flat=True))
    return [(item, endpoints) for item, endpoints in addressed if item.key not in known]


def _put(item: News, endpoints: Sequence[WebhookEndpoint]) -> int:
    message = WebhookMessage(
        type=item.type,
        key=item.key,
        body=item.body(),
        run_id=item.run_id,
        run_owner=item.run_owner,
    )
    try:
        with transaction.atomic():
            message.save(force_insert=True)
    except IntegrityError:  # webhook_message_once: somebody else was quicker
        return 0
    now = datetime.now(UTC)
    WebhookDelivery.objects.bulk_create(
        WebhookDelivery(endpoint=endpoint, message=message, next_attempt_at=now)
        for endpoint in endpoints
    )
    return 1
