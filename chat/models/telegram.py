"""Which Telegram account is which user, and the replies that are owed to chats."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from chat.models.sessions import Exchange


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
            # chat.services.telegram_links catches it: one account speaks for one user.
            models.UniqueConstraint(
                name="telegram_username_once", fields=["username"], condition=~Q(username="")
            ),
        ]

    def __str__(self) -> str:
        return self.username or str(self.telegram_id)


class TelegramReply(models.Model):
    """An answer that a chat is owed. A bot that starts again sends what was not sent."""

    exchange = models.OneToOneField(
        Exchange, primary_key=True, on_delete=models.CASCADE, related_name="telegram_reply"
    )
    chat_id = models.BigIntegerField()
    sent_seq = models.IntegerField(default=0)  # of the run's log: what lies before it was sent
    sent_at = models.DateTimeField(null=True, blank=True)  # all of it

    class Meta:
        indexes = [
            # chat.telegram.replies: what is owed when the bot starts.
            models.Index(
                fields=["exchange"], name="telegram_reply_owed", condition=Q(sent_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"to {self.chat_id}"
