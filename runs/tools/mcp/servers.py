"""All configured MCP servers: connected per event loop, their tools put into the registry."""

import asyncio
import logging
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any

from django.conf import settings

from runs.tools.mcp.config import McpConfig, McpServer, load_config
from runs.tools.mcp.connection import Connection, McpUnreachable
from runs.tools.mcp.results import Answer
from runs.tools.mcp.tools import build_tool
from runs.tools.registry import ToolRegistry, get_registry

logger = logging.getLogger(__name__)

_FIRST_RETRY_SECONDS, _LAST_RETRY_SECONDS = 1.0, 60.0


class McpServers:
    """`start` inside a running loop connects; servers that do not answer are tried again in the
    background until they do. A connection that breaks later is made anew by the next call. `stop`
    closes what the running loop holds."""

    def __init__(self, config: McpConfig, registry: ToolRegistry) -> None:
        self._servers = config.servers
        self._registry = registry
        self._loops: dict[asyncio.AbstractEventLoop, _Sessions] = {}
        registry.report("MCP servers", *config.problems)

    async def start(self, *, patience_seconds: float = 5.0) -> None:
        """Return when every server was tried once, or after `patience_seconds`."""
        tried = {name: asyncio.Event() for name in self._servers}
        self._here().attempts += [
            asyncio.create_task(self._reach(name, event)) for name, event in tried.items()
        ]
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_seconds):
                for event in tried.values():
                    await event.wait()

    async def stop(self) -> None:
        sessions = self._loops.pop(asyncio.get_running_loop(), None)
        if sessions is not None:
            await sessions.close()

    async def call(self, name: str, remote_name: str, arguments: dict[str, Any]) -> Answer:
        """Call a tool of server `name`. Raises `McpUnreachable`."""
        connection = await self._connected(name)
        return await connection.call(remote_name, arguments)

    async def _try(self, name: str) -> bool:
        try:
            await self._connected(name)
        except McpUnreachable as error:
            # Tools it listed before stay: it may be back by the time one is called.
            if str(error) not in self._registry.problems:  # it may stay away for days
                logger.warning("MCP server not reachable", extra={"server": name})
            self._registry.report(_source(name), str(error))
            return False
        return True

    async def _reach(self, name: str, tried: asyncio.Event) -> None:
        delay = _FIRST_RETRY_SECONDS
        while not await self._try(name):
            tried.set()
            await asyncio.sleep(delay)
            delay = min(2 * delay, _LAST_RETRY_SECONDS)
        tried.set()

    async def _connected(self, name: str) -> Connection:
        connection, is_new = self._here().connection(name, self._servers[name])
        await connection.opened()
        if is_new:
            self._publish(name, connection)
        return connection

    def _publish(self, name: str, connection: Connection) -> None:
        server = self._servers[name]
        tools = [
            build_tool(name, server, listed, partial(self.call, name))
            for listed in sorted(connection.tools, key=lambda tool: tool.name)
            if server.offers(listed.name)
        ]
        self._registry.replace(_source(name), tools)
        logger.info("MCP server connected", extra={"server": name, "tools": len(tools)})

    def _here(self) -> "_Sessions":
        for loop in [loop for loop in self._loops if loop.is_closed()]:
            self._loops.pop(loop, None)  # it ended without `stop`, and its tasks with it
        return self._loops.setdefault(asyncio.get_running_loop(), _Sessions())


class _Sessions:
    """What one event loop holds: a connection per server, and the tasks that try for more."""

    def __init__(self) -> None:
        self.attempts: list[asyncio.Task[None]] = []
        self._current: dict[str, Connection] = {}
        self._open: set[Connection] = set()  # also those that only finish their last calls

    def connection(self, name: str, server: McpServer) -> tuple[Connection, bool]:
        """The connection of that server, and whether it was made just now."""
        current = self._current.get(name)
        if current is not None and not current.is_broken:
            return current, False
        if current is not None:
            current.retire()
        made = Connection(name, server)
        made.when_closed(self._open.discard)
        self._open.add(made)
        self._current[name] = made
        return made, True

    async def close(self) -> None:
        for task in self.attempts:
            task.cancel()
        await asyncio.gather(*self.attempts, return_exceptions=True)
        await asyncio.gather(*(connection.close() for connection in tuple(self._open)))


def _source(name: str) -> str:
    return f"MCP server {name}"


@lru_cache(maxsize=1)
def get_servers() -> McpServers:
    """The servers of this process, from STARPORT_MCP_SERVERS."""
    return McpServers(load_config(settings.STARPORT_MCP_SERVERS), get_registry())
