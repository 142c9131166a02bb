"""Who is told of what happens: endpoints, the messages to them, and what became of each.

A message and its deliveries are an outbox: rows first, then attempts, so a crash forgets nothing.
"""

from django.db import models
from django.db.models import Q

from accounts.models import new_id
from project.lib.ids import new_ulid


def new_message_id() -> str:
    return f"msg_{new_ulid()}"


class WebhookEndpoint(models.Model):
    """A URL that is told of events. Its secrets lie here sealed and are shown once."""

    id = models.CharField(primary_key=True, max_length=36, default=new_id, editable=False)
    url = models.CharField(max_length=2000)
    description = models.CharField(max_length=200, blank=True, default="")
    events = models.JSONField(default=list)  # types, and families of them: `run.*`
    # A user, of whose runs alone it hears if that is all they may see; "": the installation's.
    owner = models.CharField(max_length=36, blank=True, default="")
    is_enabled = models.BooleanField("enabled", default=True)
    disabled_reason = models.CharField(max_length=200, blank=True, default="")  # "": somebody did
    # What happened before is none of its business: set when it is made and when it is enabled.
    active_since = models.DateTimeField()
    secret_sealed = models.TextField(editable=False)
    # The secret of before a rotation signs as well until then.
    previous_secret_sealed = models.TextField(blank=True, default="", editable=False)
    previous_secret_until = models.DateTimeField(null=True, blank=True)
    consecutive_failures = models.IntegerField(default=0)  # attempts since the last success
    failing_since = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        ordering = ("created_at", "id")
        verbose_name = "outgoing webhook"

    def __str__(self) -> str:
        return self.description or self.url


class WebhookMessage(models.Model):
    """One thing that happened, as it is sent. Made once, with its deliveries, and not changed."""

    id = models.CharField(primary_key=True, max_length=40, default=new_message_id, editable=False)
    type = models.CharField(max_length=60)
    # Of the fact behind it: found again, it makes no second message.
    key = models.CharField(max_length=200)
    body = models.TextField()  # the JSON whose bytes are signed
    run_id = models.CharField(max_length=64, blank=True, default="")
    run_owner = models.CharField(max_length=36, blank=True, default="")  # who may see it: creator
    # Retention deletes by age.
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = [
            # chat.webhooks.outbox catches this violation.
            models.UniqueConstraint(name="webhook_message_once", fields=["key"]),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"


class WebhookDelivery(models.Model):
    """A message on its way to one endpoint."""

    class State(models.TextChoices):
        PENDING = "pending"  # an attempt is due, or will be
        DELIVERED = "delivered"
        FAILED = "failed"  # after the last attempt
        CANCELLED = "cancelled"  # its endpoint was disabled, or may not have it any more

    id = models.CharField(primary_key=True, max_length=36, default=new_id, editable=False)
    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries", db_index=False
    )
    message = models.ForeignKey(WebhookMessage, on_delete=models.CASCADE, related_name="deliveries")
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    tries = models.IntegerField(default=0)  # of the schedule; begun anew by a redelivery
    # While an attempt is under way: when whoever makes it counts as gone.
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    claim = models.CharField(max_length=160, blank=True, default="", editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "outgoing webhook delivery"
        verbose_name_plural = "outgoing webhook deliveries"
        constraints = [
            models.UniqueConstraint(name="webhook_delivery_once", fields=["endpoint", "message"]),
            # The courier trusts it: what is pending will be looked at.
            models.CheckConstraint(
                name="webhook_delivery_due_iff_pending",
                condition=Q(state="pending", next_attempt_at__isnull=False)
                | (~Q(state="pending") & Q(next_attempt_at__isnull=True)),
            ),
        ]
        indexes = [
            # chat.webhooks.claims: what is due, and when the next one is; for each endpoint.
            models.Index(
                fields=["next_attempt_at"],
                name="webhook_delivery_due",
                condition=Q(state="pending"),
            ),
            models.Index(
                fields=["endpoint", "next_attempt_at"],
                name="webhook_delivery_due_to",
                condition=Q(state="pending"),
            ),
            # The log of an endpoint, newest first.
            models.Index(fields=["endpoint", "-created_at"], name="webhook_delivery_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.message_id} to {self.endpoint_id}"


class WebhookAttempt(models.Model):
    """One request that was sent, or could not be, and what came back."""

    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.CASCADE, related_name="attempts")
    at = models.DateTimeField()
    status = models.SmallIntegerField(null=True, blank=True)  # null: no answer
    duration_ms = models.IntegerField()
    error = models.CharField(max_length=300, blank=True, default="")  # "": it was taken
    response = models.TextField(blank=True, default="")  # its beginning

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.delivery_id}: {self.status or self.error}"


class WebhookMark(models.Model):
    """How far somebody has looked for what happened: the sweep goes on from there."""

    name = models.CharField(primary_key=True, max_length=20)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} {self.at:%Y-%m-%d %H:%M:%S}"
