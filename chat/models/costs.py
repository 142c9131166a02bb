"""What runs have used, a row each, and what may be spent."""

from django.conf import settings
from django.db import models

from accounts.models import new_id


class UsageRow(models.Model):
    """What one run used, read from its log when it ended. Runs may be pruned; this stays."""

    run_id = models.CharField(max_length=64, primary_key=True)
    session_id = models.CharField(max_length=36, blank=True, default="")
    user_id = models.CharField(max_length=100, blank=True, default="")  # as Session.owner
    api_key_id = models.CharField(max_length=36, blank=True, default="")
    source = models.CharField(max_length=40, blank=True, default="")  # Run.trigger_source
    model = models.CharField(max_length=200, blank=True, default="")  # without its provider
    turn = models.IntegerField(default=0)  # turns that executed tools
    input_tokens = models.BigIntegerField(default=0)  # without cached ones
    output_tokens = models.BigIntegerField(default=0)
    cache_read = models.BigIntegerField(default=0)
    cache_write = models.BigIntegerField(default=0)
    cost_usd = models.FloatField(default=0.0)
    tools = models.JSONField(default=dict, blank=True)  # name: [invocations, errors]
    timestamp = models.DateTimeField()  # the run's start

    class Meta:
        indexes = [
            # chat.costs: a period, a user's period, a key's spending.
            models.Index(fields=["timestamp"], name="usage_by_time"),
            models.Index(fields=["user_id", "timestamp"], name="usage_by_user"),
            models.Index(fields=["api_key_id"], name="usage_by_key"),
        ]

    def __str__(self) -> str:
        return self.run_id


class SpendingLimit(models.Model):
    """What a user may spend in a period. A key's own limit is on the key."""

    class Period(models.TextChoices):
        DAY = "day"  # UTC
        MONTH = "month"

    id = models.CharField(primary_key=True, max_length=36, default=new_id, editable=False)
    # Null: everybody who has no limit of their own for that period.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    period = models.CharField(max_length=10, choices=Period)
    limit_usd = models.DecimalField(max_digits=12, decimal_places=4)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="spending_limit_once", fields=["user", "period"], nulls_distinct=False
            ),
        ]

    def __str__(self) -> str:
        return f"{self.limit_usd} USD a {self.period}"
