"""News for the apps above. Sent after commit, in the thread that committed; do little there."""

import logging

from django.db import transaction
from django.dispatch import Signal

logger = logging.getLogger(__name__)

#: An instance has another status now. Keyword argument: `change`, an
#: `instances.services.recording.Change`. Connect a receiver to be called back.
instance_changed = Signal()


def send_on_commit(signal: Signal, **facts: object) -> None:
    transaction.on_commit(lambda: _send(signal, facts))


def _send(signal: Signal, facts: dict[str, object]) -> None:
    for receiver, result in signal.send_robust(sender=None, **facts):
        if isinstance(result, Exception):
            logger.error(
                "a receiver failed",
                exc_info=result,
                extra={"receiver": getattr(receiver, "__name__", repr(receiver))},
            )
