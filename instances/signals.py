"""News for the apps above. Sent after commit, in the thread that committed; do little there."""

import logging

from django.db import transaction
from django.dispatch import Signal

logger = logging.getLogger(__name__)

#: An instance has another status now. Keyword argument: `change`, an
#: `instances.services.changes.Change`. Connect a receiver to be called back.
instance_changed = Signal()
#: The same, once for all that one transaction changed: a backend that fails may change hundreds.
#: Keyword argument: `changes`, in their order.
changes_recorded = Signal()
#: The monitor restarts an instance no more. Keyword arguments: `instance_id`, `name`, `why`.
instance_given_up = Signal()


def send_on_commit(signal: Signal, **facts: object) -> None:
    transaction.on_commit(lambda: send(signal, **facts))


def send(signal: Signal, **facts: object) -> None:
    """What a receiver raises is logged and harms nobody."""
    for receiver, result in signal.send_robust(sender=None, **facts):
        if isinstance(result, Exception):
            logger.error(
                "a receiver failed",
                exc_info=result,
                extra={"receiver": getattr(receiver, "__name__", repr(receiver))},
            )
