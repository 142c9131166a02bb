"""Sending tasks again for runs that have been pending suspiciously long."""

from datetime import timedelta

from django.utils import timezone

from runs import dispatch
from runs.models import Run

#: A pending run this old may have lost its task. Sending another is harmless.
PATIENCE = timedelta(seconds=5)
#: Per sweep; the rest is sent by the next one.
LIMIT = 50


def redeliver_pending() -> int:
    """Announce pending runs once more, oldest first."""
    waiting = Run.objects.filter(
        status=Run.Status.PENDING, accepted_at__lt=timezone.now() - PATIENCE
    ).order_by("-priority", "accepted_at", "id")
    ids = list(waiting.values_list("id", flat=True)[:LIMIT])
    for run_id in ids:
        dispatch.run_is_pending(run_id)
    return len(ids)
