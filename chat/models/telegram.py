"""Which Telegram account is which user."""

from django.conf import settings
from django.db import models
from django.db.models import Q


class TelegramLink(models.Model):
    """A user's Telegram account: known by its id, or by a name until it first writes."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="telegram_link"
    )
    telegram_id = models.BigIntegerField(null=True, blank=True, unique=True)
    username = models.CharField(max_length=64, blank=True, default="")  # lower-case, without @
    linked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            # chat.telegram.linking catches it: one account speaks for one user.
            models.UniqueConstraint(
                name="telegram_username_once", fields=["username"], condition=~Q(username="")
            ),
        ]

    def __str__(self) -> str:
        return self.username or str(self.telegram_id)
