"""From a pending row to a worker: the one place that knows who executes runs.

Embedded, the server's own engine claims pending rows as it is told of them. Under Celery, a task
carries the id to a worker, which claims that row; a task that comes twice or never is harmless,
because the lease and the sweep decide.
"""

import logging
from typing import Protocol

from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError

from runs import news
from runs.live import NUDGE, hub

logger = logging.getLogger(__name__)


class LocalEngine(Protocol):
    """What dispatch may tell the engine of this process."""

    def wake(self) -> None: ...

    def drop(self, run_id: str) -> None: ...

    def tell_mail(self, run_id: str) -> None: ...

    @property
    def is_alive(self) -> bool: ...


_engine: LocalEngine | None = None


def set_engine(engine: LocalEngine | None) -> None:
    """Name the engine of this process, or none when it stops."""
    global _engine
    _engine = engine


def is_engine_alive() -> bool:
    """Whether this process has an engine, and all of it still works."""
    return _engine is not None and _engine.is_alive


def run_is_pending(run_id: str) -> None:
    """A row became claimable. Acts after commit."""
    transaction.on_commit(lambda: _announce(run_id))


def run_was_cancelled(run_id: str) -> None:
    """The terminal event was appended by a service. Acts after commit."""
    transaction.on_commit(lambda: _drop(run_id))


def run_has_mail(run_id: str) -> None:
    """A mailbox row was written. Acts after commit."""
    transaction.on_commit(lambda: _tell_mail(run_id))


def _announce(run_id: str) -> None:
    if _engine is not None:
        _engine.wake()
    if settings.STARPORT_EXECUTOR == "celery":
        _send_task(run_id)
    hub.publish(run_id, (NUDGE,))
    news.publish_control("pending", run_id)
    news.publish_run(run_id)


def _send_task(run_id: str) -> None:
    from runs.tasks import execute_run  # the task imports the engine, which imports this module

    try:
        execute_run.delay(run_id)
    except OperationalError:
        # The row is committed; the sweep sends another task once the broker is back.
        logger.warning("the broker took no task", extra={"run_id": run_id}, exc_info=True)


def _drop(run_id: str) -> None:
    if _engine is not None:
        _engine.drop(run_id)
    hub.publish(run_id, (NUDGE,))
    news.publish_control("cancelled", run_id)
    news.publish_run(run_id)


def _tell_mail(run_id: str) -> None:
    if _engine is not None:
        _engine.tell_mail(run_id)
    news.publish_control("mail", run_id)
