"""The ports of instances, on the loopback address."""

import asyncio
import random
import socket
import time
from collections.abc import Set

from instances.backends.local.limits import FREE_SECONDS
from instances.errors import BackendFailed

#: Below those that operating systems take for outgoing connections, so that a port which waits for
#: its paused instance stays free.
_FIRST, _LAST = 20_000, 32_000
_TRIES = 200
_LOOK_SECONDS = 0.1


def choose(taken: Set[int]) -> int:
    """A port that is free now, and that no other instance has."""
    for _ in range(_TRIES):
        port = random.randint(_FIRST, _LAST)  # noqa: S311 - spread, not secret
        if port not in taken and _is_free(port):
            return port
    raise BackendFailed("this machine has no free port left for an instance")


async def until_free(port: int) -> None:
    """Whoever had it before may need a moment to give it back."""
    deadline = time.monotonic() + FREE_SECONDS
    while not _is_free(port):
        if time.monotonic() > deadline:
            raise BackendFailed(f"port {port} of this instance is used by another program")
        await asyncio.sleep(_LOOK_SECONDS)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
