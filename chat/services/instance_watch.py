"""The health monitor of instances as a service of a server.

Of several servers on one database one has the turn: an instance is polled and restarted once. Of
those that run instances themselves each watches its own.
"""

import asyncio
import logging

from django.db import Error

from chat.services.leases import is_our_turn, leave
from instances.backends import Backend, is_configured, open_backend
from instances.errors import InstancesError
from instances.monitor.loop import Monitor
from project.lib.pool import in_database_thread
from project.lib.tasks import end_task

logger = logging.getLogger(__name__)

#: How often a server asks whether it is its turn; well within a lease.
LOOK_SECONDS = 1.0
#: After a monitor that broke.
RETRY_SECONDS = 5.0
SERVICE = "instances"


async def keep_instances_watched() -> None:
    """Run the monitor while it is this server's turn, until cancelled. Without backend: nothing."""
    if not is_configured():
        return
    try:
        backend = open_backend()
    except InstancesError as error:
        logger.error("the instances cannot be watched", extra={"reason": str(error)})
        return
    try:
        await _take_turns(backend)
    finally:
        await backend.aclose()


async def _take_turns(backend: Backend) -> None:
    task: asyncio.Task[None] | None = None
    service = f"{SERVICE}:{backend.place}" if backend.place else SERVICE
    try:
        while True:
            is_ours = await _is_our_turn(service, task is not None)
            if task is not None and (task.done() or not is_ours):
                await end_task(task)
                task = None
            if is_ours and task is None:
                task = asyncio.create_task(_watch(backend))
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        try:
            await end_task(task)
        finally:
            await leave(service)


async def _watch(backend: Backend) -> None:
    try:
        await Monitor(backend).run()
    except Exception:
        logger.exception("the monitor of instances stopped, it is started again")
        await asyncio.sleep(RETRY_SECONDS)


async def _is_our_turn(service: str, it_was: bool) -> bool:
    try:
        return await in_database_thread(is_our_turn, service)
    except Error:  # also what a connection raises that is gone
        logger.exception("whose turn it is to watch the instances cannot be read")
        return it_was
