"""Forgetting what has served its time. Safe to run anywhere, any number of times."""

from datetime import timedelta

from django.utils import timezone

from project.lib.db import write_transaction
from runs.models import IdempotencyRecord, MailboxItem
from runs.triggers.deliveries import forget_old_deliveries

#: How long a repeated request still gets its first answer.
IDEMPOTENCY_KEPT = timedelta(hours=24)


def forget_old_records() -> int:
    """All of them; returns how many."""
    return forget_idempotency_keys() + forget_unread_mail() + forget_old_deliveries()


def forget_unread_mail() -> int:
    """Delete mail that came too late for its run, which failed without reading it."""
    unread = MailboxItem.objects.filter(run__terminal_kind__isnull=False)
    if not unread.exists():
        return 0
    with write_transaction():
        deleted, _ = unread.delete()
    return deleted


def forget_idempotency_keys() -> int:
    """Delete old idempotency records; returns how many."""
    old = IdempotencyRecord.objects.filter(created_at__lt=timezone.now() - IDEMPOTENCY_KEPT)
    if not old.exists():
        return 0
    with write_transaction():
        deleted, _ = old.delete()
    return deleted
