"""What a server needs to do its work, each part asked with a real question."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal

from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from accounts.audit.chain import is_head_readable
from runs import artifacts, dispatch
from runs.graphs.registry import all_graphs
from runs.services import worker_heartbeat
from runs.services.queue import queue_depth
from runs.tools.registry import get_registry

logger = logging.getLogger(__name__)

FAILED = "probe failed"
SCHEMA_OUTDATED = "the database schema is outdated, migrate it"
SCHEMA_NEWER = "the database schema is newer than this program"
#: A bucket is asked once in so long, however many ask us: who asks here need not say who they are.
BUCKET_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Component:
    """`detail` is a sentence of ours for whoever asks, never what an exception said."""

    status: Literal["ok", "error", "unconfigured"]
    detail: str = ""


def probe_all() -> dict[str, Component]:
    return {name: _probed(name, probe) for name, probe in _PROBES.items()}


def _probed(name: str, probe: Callable[[], Component]) -> Component:
    try:
        return probe()
    except Exception as error:  # whatever it is, the other parts are still to be asked
        logger.warning("a probe failed", extra={"component": name, "reason": repr(error)})
        return Component("error", FAILED)


def _store() -> Component:
    queue_depth()
    if complaint := schema_complaint():
        return Component("error", complaint)
    return Component("ok", connection.vendor)


def _artifact_store() -> Component:
    if not settings.STARPORT_ARTIFACTS_URL:
        artifacts.probe()
        return Component("ok", "folder")
    if _is_bucket_there(int(time.monotonic()) // BUCKET_SECONDS):
        return Component("ok", "bucket")
    return Component("error", FAILED)


@lru_cache(maxsize=1)
def _is_bucket_there(window: int) -> bool:
    """The same answer all through a window, a failure too: a bucket that is away is slow."""
    try:
        artifacts.probe()
    except Exception as error:
        logger.warning(
            "a probe failed", extra={"component": "artifact_store", "reason": repr(error)}
        )
        return False
    return True


def _registry() -> Component:
    graphs, tools = len(all_graphs()), len(get_registry().all())
    return Component("ok", f"{graphs} graphs, {tools} tools")


def _scheduler() -> Component:
    """Who executes runs: the engine of this process, or Celery's workers."""
    if settings.STARPORT_EXECUTOR == "celery":
        return _workers()
    if dispatch.is_engine_alive():
        return Component("ok", "embedded engine")
    return Component("error", "the engine of this process has stopped")


def _workers() -> Component:
    if worker_heartbeat.is_any_alive():
        return Component("ok", "Celery workers")
    if worker_heartbeat.was_any_seen():
        return Component("error", "no worker gives a sign of life")
    return Component("unconfigured", "no worker was seen so far")


def _audit() -> Component:
    if not is_head_readable():
        return Component("error", "the newest record is not the one the head names")
    return Component("ok", "chain head read")


_PROBES: dict[str, Callable[[], Component]] = {
    "store": _store,
    "artifact_store": _artifact_store,
    "registry": _registry,
    "scheduler": _scheduler,
    "audit": _audit,
}


def schema_complaint() -> str:
    """Why the database is not the one this program migrated; empty when it is."""
    known = _known_migrations()
    labels = {label for label, _ in known}
    applied = {
        key for key in MigrationRecorder(connection).applied_migrations() if key[0] in labels
    }
    if known - applied:
        return SCHEMA_OUTDATED
    return SCHEMA_NEWER if applied - known else ""


@cache
def _known_migrations() -> frozenset[tuple[str, str]]:
    """The migrations that this program comes with; they do not change while it runs."""
    return frozenset(MigrationLoader(None).disk_migrations)
