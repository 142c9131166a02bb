"""News from `runs`. A receiver may be called on an event loop: it hands over and returns."""

import logging
from concurrent.futures import ThreadPoolExecutor

from django.db import close_old_connections
from django.dispatch import receiver

from chat.costs import recording
from chat.services import turns
from runs.signals import run_finished

logger = logging.getLogger(__name__)

# One thread: what it does takes turns for the database's write lock in any case.
_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chat-news")


@receiver(run_finished, dispatch_uid="chat.run_has_ended")
def run_has_ended(run_id: str, **_: object) -> None:
    """Best effort: what gets lost here, the sweeps (`chat.services.turns.sweep`,
    `chat.costs.recording.sweep`) make good."""
    _thread.submit(_told, run_id)
    recording.run_has_ended()


def _told(run_id: str) -> None:
    close_old_connections()
    try:
        turns.run_has_changed(run_id)
    except Exception:
        logger.exception("a session could not go on after its run", extra={"run_id": run_id})
