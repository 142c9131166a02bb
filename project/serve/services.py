"""What runs in the background of a server process, from start to SIGTERM."""

import asyncio
import hashlib
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
)

from django.conf import settings

from chat.costs import recording
from chat.cron.clock import clock as job_clock
from chat.cron.firing import fire_due as fire_due_jobs
from chat.cron.lifecycle import post_start_prompts
from chat.live_settings.watching import keep_fresh, watch_settings_file
from chat.services import turns
from chat.services.instance_watch import keep_instances_watched
from chat.telegram.service import keep_bot_running
from chat.webhooks.courier import Courier, keep_looking
from instances.backends import is_local, local_folder
from instances.pages import under_way
from project.lib.draining import start_draining
from project.lib.pool import in_database_thread
from project.lib.tasks import meanwhile
from runs import dispatch, news, watching
from runs.engine.service import SWEEP_SECONDS, Engine
from runs.errors import RunsError
from runs.live import hub
from runs.providers import registry
from runs.providers.base import ProviderError
from runs.services.queue import sweep_expired
from runs.services.redelivery import redeliver_pending
from runs.triggers.clock import clock as trigger_clock
from runs.triggers.firing import fire_due as fire_due_triggers

logger = logging.getLogger(__name__)

Service = Callable[[], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def background_services() -> AsyncIterator[None]:
    """All services, running. Leaving drains them."""
    async with AsyncExitStack() as stack:
        for service in SERVICES:
            await stack.enter_async_context(service())
        yield
        start_draining()


@asynccontextmanager
async def engine() -> AsyncIterator[None]:
    """Executes runs in this process; under Celery the workers do."""
    if settings.STARPORT_EXECUTOR != "embedded":
        async with (
            meanwhile(_listen(None)),
            meanwhile(_sweep_for_workers()),
            meanwhile(keep_fresh()),
        ):
            yield
        return
    engine = Engine(workers=settings.STARPORT_WORKERS, owner=_owner())
    await engine.start()
    dispatch.set_engine(engine)
    try:
        async with meanwhile(_listen(engine)), meanwhile(_warm_up_models()):
            yield
    finally:
        start_draining()
        await engine.drain(settings.STARPORT_DRAIN_SECONDS)
        dispatch.set_engine(None)


@asynccontextmanager
async def watch_rows() -> AsyncIterator[None]:
    """Notices what other processes did to the runs that streams of this one follow."""
    interval = (
        watching.INTERVAL_WITH_NEWS_SECONDS if settings.REDIS_URL else watching.INTERVAL_SECONDS
    )
    async with meanwhile(watching.watch_rows(hub, interval)):
        yield


@asynccontextmanager
async def cron() -> AsyncIterator[None]:
    """Fires cron triggers in time, whoever executes the runs."""
    async with meanwhile(trigger_clock.run(fire_due_triggers)):
        yield


@asynccontextmanager
async def live_settings() -> AsyncIterator[None]:
    """What an operator writes down while the program runs."""
    async with meanwhile(watch_settings_file(settings.STARPORT_SETTINGS_FILE)):
        yield


@asynccontextmanager
async def conversations() -> AsyncIterator[None]:
    """Looks after sessions whose run ended while nobody was there to notice."""
    async with meanwhile(_sweep_conversations()):
        yield


@asynccontextmanager
async def telegram() -> AsyncIterator[None]:
    """Answers people in Telegram while the bot is switched on."""
    async with meanwhile(keep_bot_running()):
        yield


@asynccontextmanager
async def instance_monitor() -> AsyncIterator[None]:
    """Watches the instances of the backend, where one is configured."""
    async with meanwhile(keep_instances_watched()):
        yield


@asynccontextmanager
async def cron_jobs() -> AsyncIterator[None]:
    """Runs prompts by time, and those of the start, whoever executes the runs."""
    async with meanwhile(job_clock.run(fire_due_jobs)), meanwhile(_post_start_prompts()):
        yield


@asynccontextmanager
async def accounts_of_usage() -> AsyncIterator[None]:
    """Enters what runs used into the accounts, whoever executed them."""
    bookkeeper = recording.Bookkeeper()
    recording.set_bookkeeper(bookkeeper)
    try:
        async with meanwhile(bookkeeper.run()):
            yield
        await bookkeeper.look()  # at what ended while the engine drained
    finally:
        recording.set_bookkeeper(None)


@asynccontextmanager
async def local_instances() -> AsyncIterator[None]:
    """Looks after the instances that are processes of this machine; they stop with the server."""
    if not is_local():
        yield
        return
    from instances.backends.local import supervise  # psutil, for those who use it

    async with supervise(local_folder()):
        yield


@asynccontextmanager
async def runs_and_instances() -> AsyncIterator[None]:
    """Both take their time to end. So they do it side by side, within the patience of whoever
    stops the server, and no run is begun while the instances stop.
    """
    stacks = AsyncExitStack(), AsyncExitStack()
    try:
        for stack, service in zip(stacks, (engine, local_instances), strict=True):
            await stack.enter_async_context(service())
        yield
    finally:
        start_draining()
        ends = (stack.aclose() for stack in stacks)
        for outcome in await asyncio.gather(*ends, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome


@asynccontextmanager
async def page_commands() -> AsyncIterator[None]:
    """What a page did not wait for has until the others have stopped; then it is interrupted."""
    try:
        yield
    finally:
        await asyncio.to_thread(under_way.interrupt)


@asynccontextmanager
async def webhooks() -> AsyncIterator[None]:
    """Tells endpoints of what happens, whoever executes the runs."""
    async with meanwhile(Courier(_owner()).run()), meanwhile(keep_looking()):
        yield


#: Started in this order and stopped in the reverse one.
SERVICES: tuple[Service, ...] = (
    live_settings,
    watch_rows,
    accounts_of_usage,
    webhooks,
    page_commands,
    runs_and_instances,
    cron,
    cron_jobs,
    conversations,
    telegram,
    instance_monitor,
)


async def _listen(engine: Engine | None) -> None:
    if settings.REDIS_URL:
        await news.Listener(hub, engine).run()


async def _warm_up_models() -> None:
    """Beside the first requests: the first run need not wait for what the models have to load."""
    try:
        await asyncio.to_thread(registry.warm_up)
    except (RunsError, ProviderError) as error:
        logger.warning("a model could not be loaded yet", extra={"reason": str(error)})
    except Exception:
        logger.exception("loading the models failed")


async def _post_start_prompts() -> None:
    try:
        await in_database_thread(post_start_prompts)
    except Exception:
        logger.exception("the prompts at start could not be posted")


async def _sweep_for_workers() -> None:
    """What beat does, too: a deployment without beat still recovers from a dead worker."""
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        try:
            await in_database_thread(sweep_expired)
            await in_database_thread(redeliver_pending)
        except Exception:
            logger.exception("the sweep failed")


async def _sweep_conversations() -> None:
    while True:
        try:
            await in_database_thread(turns.sweep)
        except Exception:
            logger.exception("the sweep of conversations failed")
        await asyncio.sleep(SWEEP_SECONDS)


def _owner() -> str:
    """The same after a restart, so that the leases of a killed predecessor are known for void."""
    folder = hashlib.blake2s(str(settings.DATA_DIR).encode(), digest_size=8).hexdigest()
    return f"{socket.gethostname()[:60]}:serve:{folder}"
