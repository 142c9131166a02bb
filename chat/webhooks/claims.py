"""Taking deliveries that are due: each attempt is made by one process, whoever else looks."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Min, QuerySet

from chat.models import WebhookDelivery, WebhookEndpoint
from chat.webhooks import metrics, settling
from chat.webhooks.readers import Readers
from chat.webhooks.signing import secrets_of
from project.lib.db import write_transaction
from project.lib.ids import new_ulid

#: Longer than an attempt can take: afterwards whoever made it counts as gone.
CLAIM = timedelta(seconds=30)
#: Attempts of this process under way to one endpoint; to one that failed last, one.
PER_ENDPOINT = 4
AT_ONCE = 64

State = WebhookDelivery.State


@dataclass(frozen=True, slots=True)
class Letter:
    """All that an attempt needs."""

    delivery_id: str
    claim: str
    endpoint_id: str
    message_id: str
    url: str
    body: bytes
    secrets: tuple[str, ...]


def claim_due(owner: str, now: datetime, under_way: Mapping[str, int]) -> list[Letter]:
    """Take what is due, as far as there is room. `under_way`: attempts of ours by endpoint.

    What may not be sent any more is cancelled instead.
    """
    chosen = _choose(now, under_way)
    if not chosen:
        return []
    claim = f"{owner}:{new_ulid()}"
    with write_transaction():
        # Nobody waits for rows that another process takes: it would take others in another order.
        free = _due(now).filter(pk__in=chosen).select_for_update(skip_locked=True, no_key=True)
        ids = list(free.values_list("pk", flat=True))
        _due(now).filter(pk__in=ids).update(claim=claim, next_attempt_at=now + CLAIM)
        mine = WebhookDelivery.objects.filter(pk__in=ids, claim=claim)
        taken = list(mine.select_related("endpoint", "message").order_by("created_at", "pk"))
        readers = Readers()
        refused = [row for row in taken if not _may_be_sent(row, readers)]
        settling.cancel(refused, now)
    return [_letter(row, now) for row in taken if row not in refused]


def next_due() -> datetime | None:
    pending = WebhookDelivery.objects.filter(state=State.PENDING)
    moment: datetime | None = pending.aggregate(at=Min("next_attempt_at"))["at"]
    return moment


def count_waiting() -> None:
    """Tell the metrics. A backlog takes a while to count: not for every tick."""
    metrics.waiting.set(WebhookDelivery.objects.filter(state=State.PENDING).count())


def void_claims_of(owner: str, now: datetime) -> int:
    """What a dead predecessor of ours had under way is due. It counts as not sent."""
    held = WebhookDelivery.objects.filter(state=State.PENDING, claim__startswith=f"{owner}:")
    if not held.exists():
        return 0
    with write_transaction():
        count: int = held.update(claim="", next_attempt_at=now)
    return count


def _choose(now: datetime, under_way: Mapping[str, int]) -> list[str]:
    """An endpoint at a time, so that a backlog of one leaves the others their turn."""
    free = AT_ONCE - sum(under_way.values())
    if free <= 0 or not _due(now).exists():
        return []
    chosen: list[str] = []
    for endpoint_id, failures in _endpoints():
        room = (1 if failures else PER_ENDPOINT) - under_way.get(endpoint_id, 0)
        if room > 0:
            due = _due(now).filter(endpoint_id=endpoint_id).order_by("next_attempt_at")
            chosen += due.values_list("pk", flat=True)[:room]
    return chosen[:free]


def _endpoints() -> list[tuple[str, int]]:
    """With their failures; those that work come first where there is not room for all."""
    columns = ("pk", "consecutive_failures")
    return list(WebhookEndpoint.objects.order_by("consecutive_failures").values_list(*columns))


def _due(now: datetime) -> QuerySet[WebhookDelivery]:
    return WebhookDelivery.objects.filter(state=State.PENDING, next_attempt_at__lte=now)


def _may_be_sent(row: WebhookDelivery, readers: Readers) -> bool:
    """Its endpoint may have been disabled since, and its user have lost what they could see."""
    message = row.message
    return row.endpoint.is_enabled and readers.may_hear(
        row.endpoint, message.type, message.run_owner
    )


def _letter(row: WebhookDelivery, now: datetime) -> Letter:
    return Letter(
        delivery_id=row.pk,
        claim=row.claim,
        endpoint_id=row.endpoint_id,
        message_id=row.message_id,
        url=row.endpoint.url,
        body=row.message.body.encode(),
        secrets=tuple(secrets_of(row.endpoint, now)),
    )
