"""News within this app and for those above, sent after commit in the thread that committed.

A receiver does little and may fail: what was changed stays changed.
"""

import logging

from django.db import transaction
from django.dispatch import Signal

logger = logging.getLogger(__name__)

#: Settings act differently now. Keyword argument: `group`, a name of `live_settings.GROUPS`, or
#: `secrets` for the keys of providers.
settings_changed = Signal()
#: A document of the memory was written. Keyword arguments: `owner` ("" is shared), `name`.
document_written = Signal()


def send_on_commit(signal: Signal, **facts: object) -> None:
    transaction.on_commit(lambda: _send(signal, facts))


def _send(signal: Signal, facts: dict[str, object]) -> None:
    for receiver, result in signal.send_robust(sender=None, **facts):
        if isinstance(result, Exception):
            logger.error(
                "a receiver failed",
                exc_info=result,
                extra={"receiver": getattr(receiver, "__name__", repr(receiver)), **facts},
            )
