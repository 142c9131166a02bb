"""News for the apps above. Sent after commit, in the thread that committed or on the event loop of
its engine; do little there. News may be lost with its process, what it is about is in the logs.
"""

import logging

from django.dispatch import Signal

logger = logging.getLogger(__name__)

#: A run's terminal event is durable. Keyword argument: `run_id`.
run_finished = Signal()
#: A run waits for a human. Keyword arguments: `run_id`, and `seq` of the event that asks.
run_waiting = Signal()
#: Somebody answered. Keyword arguments: `run_id`, and `seq` of the event that has the answer.
run_answered = Signal()


def tell(signal: Signal, **facts: object) -> None:
    """Send it now; a receiver that fails is logged and keeps nobody else from hearing."""
    for receiver, result in signal.send_robust(sender=None, **facts):
        if isinstance(result, Exception):
            logger.error("a receiver of news failed: %r", receiver, exc_info=result)
