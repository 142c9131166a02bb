"""The Celery application: `celery -A project worker` and `celery -A project beat`."""

import os

from celery import Celery
from celery.signals import (
    celeryd_init,
    heartbeat_sent,
    worker_process_shutdown,
    worker_shutdown,
    worker_shutting_down,
)

from project.lib.quick_start import set_up_django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

app = Celery("starport")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@celeryd_init.connect
def set_up(**_: object) -> None:
    """Before Celery does it, in its slower way."""
    set_up_django()


@heartbeat_sent.connect
def tell_servers(**_: object) -> None:
    """`/health` of every server knows by it that there are workers."""
    from runs.services.worker_heartbeat import beat  # needs the settings, which are ready by now

    beat()


@worker_shutting_down.connect
def drain_engine(**_: object) -> None:
    """Running steps end and their runs go back to the queue, instead of being waited for."""
    from runs.engine.background import begin_drain  # needs the app registry, which is ready by now

    begin_drain()


@worker_shutdown.connect
@worker_process_shutdown.connect
def stop_engine(**_: object) -> None:
    """The tasks have ended: what the drain still has to write is written before the exit."""
    from runs.engine.background import stop

    stop()
