"""Endpoints and deliveries in the test's own process, the clock in the test's hands."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from chat.models import WebhookDelivery, WebhookEndpoint
from chat.webhooks.claims import claim_due
from chat.webhooks.definitions import NewEndpoint
from chat.webhooks.endpoints import Issued, create_endpoint, request_test
from chat.webhooks.sending import send
from chat.webhooks.settling import settle
from chat.webhooks.telling import Sweep

FAMILIES = ["run.*", "approval.*", "instance.*"]


class Office:
    """What a server's courier does, a round at a time."""

    def __init__(self) -> None:
        self.late = timedelta()

    @property
    def now(self) -> datetime:
        return timezone.now() + self.late

    def make(
        self, url: str, *, events: list[str] | None = None, owner: str = "", **fields: Any
    ) -> Issued:
        wanted = NewEndpoint(url=url, events=events or FAMILIES, **fields)
        return create_endpoint(wanted, owner=owner, actor="test")

    def pass_time(self, **duration: float) -> None:
        self.late += timedelta(**duration)

    def sweep(self) -> int:
        """As a process does that has just started: it remembers nothing."""
        return Sweep().look()

    def deliver(self) -> int:
        """Make the attempts that are due; how many there were."""
        letters = claim_due("test", self.now, {})
        for letter in letters:
            settle(letter, asyncio.run(send(letter)), self.now)
        return len(letters)

    def test(self, endpoint: WebhookEndpoint) -> WebhookDelivery:
        """A message to that endpoint, due now."""
        return request_test(endpoint.pk, actor="test")

    def reread(self, delivery: WebhookDelivery) -> WebhookDelivery:
        return WebhookDelivery.objects.select_related("message").get(pk=delivery.pk)
