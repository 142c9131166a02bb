"""What the pages have done by the fleet's services, within the patience of a request thread.

Services wait for the backend, and a page waits for its service: so there is a limit to how long,
and to how many threads may wait at a time. A backend that hangs must not take them all. What was
begun goes on when the page has given up: see `under_way`.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from instances.errors import BackendBusy, InstancesError
from instances.objects import Report
from instances.pages import under_way
from instances.services import fleet

ResultT = TypeVar("ResultT")

PATIENCE_SECONDS = 10.0
#: Request threads that wait for commands, with one more for looking; a server has four or more.
MOST_WAITING = 2
PARALLEL = 8  # instances of one request at a time

_slots = threading.BoundedSemaphore(MOST_WAITING)
#: Whoever may look may not thereby keep those who may command from it.
_looking = threading.BoundedSemaphore(1)


class Ask(Protocol):
    def __call__(self, instance_id: str, *, actor: str) -> Coroutine[Any, Any, None]: ...


@dataclass(frozen=True, slots=True)
class Command:
    name: str  # as in addresses and actions
    label: str
    done: str  # what has happened to an instance then
    ask: Ask


COMMANDS = {
    command.name: command
    for command in (
        Command("pause", "Pause", "Paused", fleet.pause_instance),
        Command("restart", "Restart", "Restarted", fleet.restart_instance),
        Command("kill", "Kill", "Killed", fleet.kill_instance),
    )
}


def give(
    command: Command, instance_ids: Sequence[str], *, actor: str, patience: float = PATIENCE_SECONDS
) -> dict[str, str]:
    """What went wrong with each, or `GOES_ON`; nothing for one with which nothing did.

    Raises `BackendBusy` when too many wait already; then nothing was asked for.
    """
    with _slot():
        return under_way.run(lambda: _give(command, instance_ids, actor, patience))


def create(*, name: str | None, region: str | None, actor: str) -> Report:
    """Raises an `InstancesError`."""
    with _slot():
        return _run(lambda: fleet.create_instance(name=name, region=region, actor=actor))


def look() -> int:
    """How many instances the backend has now. Raises an `InstancesError`."""
    with _slot(_looking):
        return len(_run(fleet.list_instances))


def _run(ask: Callable[[], Coroutine[Any, Any, ResultT]]) -> ResultT:
    return under_way.run(lambda: under_way.in_time(ask(), PATIENCE_SECONDS))


async def _give(
    command: Command, instance_ids: Sequence[str], actor: str, patience: float
) -> dict[str, str]:
    slots = asyncio.Semaphore(PARALLEL)
    until = asyncio.get_running_loop().time() + patience

    async def one(instance_id: str) -> str:
        async with slots:
            left = until - asyncio.get_running_loop().time()
            if left <= 0:
                return "there was no time left to ask for it"
            try:
                await under_way.in_time(command.ask(instance_id, actor=actor), left)
            except InstancesError as error:
                return str(error)
        return ""

    return dict(zip(instance_ids, await asyncio.gather(*map(one, instance_ids)), strict=True))


@contextmanager
def _slot(slots: threading.BoundedSemaphore = _slots) -> Iterator[None]:
    if not slots.acquire(blocking=False):
        raise BackendBusy("others wait for the backend already; try again in a moment")
    try:
        yield
    finally:
        slots.release()
