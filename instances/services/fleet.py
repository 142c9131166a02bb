"""What can be done with instances, whoever asks: the routes, the admin, the command line.

Each asks the backend, remembers what it said, and puts what was changed on record. Whether the
caller may do it is decided before it comes here.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeVar

from django.utils import timezone

from accounts import audit
from instances.backends import Backend, open_backend
from instances.errors import InstanceNotFound, InstancesError
from instances.objects import (
    Health,
    Listing,
    LogEntry,
    Report,
    SshAccess,
    Status,
    is_instance_id,
)
from instances.services import recording
from project.lib.pool import in_database_thread

ResultT = TypeVar("ResultT")


async def list_instances() -> Listing:
    async with _backend() as backend:
        asked_at = timezone.now()
        listing = await backend.list_instances()
        await in_database_thread(
            recording.remember_list,
            backend.kind,
            listing,
            place=backend.place,
            unread=listing.unread,
            asked_at=asked_at,
        )
    return listing


async def create_instance(*, name: str | None, region: str | None, actor: str) -> Report:
    wanted = {"name": audit.shortened(name or ""), "region": audit.shortened(region or "")}
    async with _backend() as backend, _on_record("create", actor, **wanted) as facts:
        report = await backend.create(name=name, region=region)
        facts["instance_id"] = report.id
        await in_database_thread(
            recording.remember, backend.kind, report, place=backend.place, actor=actor
        )
    return report


async def get_instance(instance_id: str) -> Report:
    async with _backend() as backend:
        asked_at = timezone.now()
        report = await _of(backend, instance_id, backend.get)
        await in_database_thread(
            recording.remember, backend.kind, report, place=backend.place, asked_at=asked_at
        )
    return report


async def kill_instance(instance_id: str, *, actor: str) -> None:
    async with _backend() as backend, _on_record("kill", actor, instance_id):
        await _of(backend, instance_id, backend.kill)
        await _now(instance_id, Status.STOPPED, actor)


async def pause_instance(instance_id: str, *, actor: str) -> None:
    async with _backend() as backend, _on_record("pause", actor, instance_id):
        await _of(backend, instance_id, backend.pause)
        await _now(instance_id, Status.PAUSED, actor)


async def restart_instance(instance_id: str, *, actor: str) -> None:
    async with _backend() as backend, _on_record("restart", actor, instance_id):
        await _of(backend, instance_id, backend.restart)
        await _now(instance_id, Status.RUNNING, actor)


async def instance_health(instance_id: str) -> Health:
    async with _backend() as backend:
        health = await _of(backend, instance_id, backend.health)
        await in_database_thread(recording.remember_health, instance_id, health)
    return health


async def instance_logs(
    instance_id: str, *, tail: int, follow: bool = False
) -> AsyncGenerator[LogEntry, None]:
    """The last `tail` entries, oldest first; then with `follow` those that come.

    What refuses the request is raised before the first entry. Close it when you leave early.
    """
    async with _backend() as backend, _existing(backend, instance_id):
        logs = backend.logs(instance_id, tail=tail, follow=follow)
        async with aclosing(logs) as entries:
            async for entry in entries:
                yield entry


async def ssh_access(instance_id: str, *, actor: str) -> SshAccess:
    """On record like a change: whoever has it can do anything there."""
    async with _backend() as backend, _on_record("ssh", actor, instance_id):
        return await _of(backend, instance_id, backend.ssh_access)


@asynccontextmanager
async def _backend() -> AsyncIterator[Backend]:
    backend = open_backend()
    try:
        yield backend
    finally:
        await backend.aclose()


async def _of(
    backend: Backend, instance_id: str, ask: Callable[[str], Coroutine[Any, Any, ResultT]]
) -> ResultT:
    """Ask about one instance."""
    async with _existing(backend, instance_id):
        return await ask(instance_id)


@asynccontextmanager
async def _existing(backend: Backend, instance_id: str) -> AsyncIterator[None]:
    """That the backend has no such instance is remembered."""
    if not is_instance_id(instance_id):
        raise InstanceNotFound("no such instance")
    try:
        yield
    except InstanceNotFound:
        await in_database_thread(
            recording.remember_missing, instance_id, backend.kind, place=backend.place
        )
        raise


async def _now(instance_id: str, status: Status, actor: str) -> None:
    await in_database_thread(recording.remember_command, instance_id, status, actor=actor)


@asynccontextmanager
async def _on_record(
    operation: str, actor: str, instance_id: str = "", **more: str
) -> AsyncIterator[dict[str, Any]]:
    """Put on record what came of a command. The block adds what it learns to the facts."""
    facts: dict[str, Any] = {"operation": operation, "instance_id": instance_id[:128], **more}
    outcome = "interrupted"
    try:
        yield facts
        outcome = "done"
    except InstancesError as error:
        outcome = type(error).__name__
        raise
    finally:
        await in_database_thread(_record, actor, {**facts, "outcome": outcome})


def _record(actor: str, facts: dict[str, Any]) -> None:
    audit.record("instance_command", actor=actor, pack_id=audit.RUNTIME, durable=True, **facts)
