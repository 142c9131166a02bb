"""One live connection to one MCP server, on one event loop."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import anyio
from mcp import Client, MCPError
from mcp_types import (
    CONNECTION_CLOSED,
    INTERNAL_ERROR,
    INVALID_REQUEST,
    PARSE_ERROR,
    REQUEST_TIMEOUT,
    Implementation,
    PaginatedRequestParams,
    Tool,
)

from runs.tools.mcp.config import McpConfigError, McpServer
from runs.tools.mcp.results import Answer, answer_of, failure
from runs.tools.mcp.transport import connect

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 15.0
_MAX_PAGES = 100
_CLIENT = Implementation(name="starport", version="dev")
# Codes that the client library also makes up when the wire or the session is at fault.
_BROKEN = {CONNECTION_CLOSED, REQUEST_TIMEOUT, INVALID_REQUEST, INTERNAL_ERROR, PARSE_ERROR}


class McpUnreachable(Exception):
    """The server could not be reached, or the connection to it broke."""


class Connection:
    """A connection held open by a task of its own, because the client library wants to be closed
    by the task that opened it, and tool calls come and go in others.

    Make it inside the running loop, await `opened`, and `retire` or `close` it.
    """

    def __init__(self, name: str, server: McpServer) -> None:
        self.tools: list[Tool] = []
        self.is_broken = False  # take another one for the next call
        self._name = name
        self._server = server
        self._client: Client | None = None
        self._calls = 0
        self._stop = asyncio.Event()
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._hold(), name=f"mcp {name}")

    def when_closed(self, callback: Callable[["Connection"], object]) -> None:
        self._task.add_done_callback(lambda _: callback(self))

    async def opened(self) -> None:
        """Return once `tools` is known. Raises `McpUnreachable`."""
        await asyncio.shield(self._opened)

    async def call(self, remote_name: str, arguments: dict[str, Any]) -> Answer:
        """The server's answer, its own errors included. Raises `McpUnreachable`."""
        self._calls += 1
        try:
            return await self._call(remote_name, arguments)
        finally:
            self._calls -= 1
            if self.is_broken:
                self.retire()

    def retire(self) -> None:
        """Take no further calls; close when those that run have their answers."""
        self.is_broken = True
        if self._calls == 0:
            self._stop.set()

    async def close(self) -> None:
        """Close now; calls that run fail."""
        self.is_broken = True
        self._stop.set()
        await asyncio.wait([self._task])

    async def _call(self, name: str, arguments: dict[str, Any]) -> Answer:
        assert self._client is not None
        timeout = self._server.timeout_of(name)
        try:
            result = await self._client.call_tool(name, arguments, read_timeout_seconds=timeout)
        except MCPError as error:
            if error.code not in _BROKEN:
                return failure(error.message)  # the server's answer, if not a result
            raise self._broken(error.message) from error
        except (anyio.ClosedResourceError, anyio.BrokenResourceError, OSError) as error:
            raise self._broken("connection closed") from error
        except (RuntimeError, ValueError) as error:
            if self.is_broken:
                raise self._broken("connection closed") from error
            # The library's complaint about a result that breaks the tool's own promises.
            logger.warning("MCP answer refused", extra={"server": self._name, "tool": name})
            return failure("the tool's answer does not have the form it declares")
        return answer_of(result, self._server)

    def _broken(self, reason: str) -> McpUnreachable:
        self.is_broken = True
        return McpUnreachable(f"MCP server {self._name}: {reason}")

    async def _hold(self) -> None:
        """Open, list, wait, close. Whatever goes wrong marks the connection as broken."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS) as opening:
                transport = connect(self._name, self._server, self._on_end)
                async with Client(transport, client_info=_CLIENT, cache=None) as client:
                    self.tools = await _listed(client)
                    opening.reschedule(None)
                    self._client = client
                    self._opened.set_result(None)
                    await self._stop.wait()
        except Exception as error:
            # Outermost: the library wraps what happened in groups, and any of it means "gone".
            self._fail(_reason(error))
        finally:
            self.is_broken = True
            self._fail("closed")

    def _on_end(self) -> None:
        self.is_broken = True
        self._stop.set()

    def _fail(self, reason: str) -> None:
        if not self._opened.done():
            self._opened.set_exception(McpUnreachable(f"MCP server {self._name}: {reason}"))
            self._opened.exception()  # nobody may be waiting any more


async def _listed(client: Client) -> list[Tool]:
    tools: list[Tool] = []
    cursor: str | None = None
    for _ in range(_MAX_PAGES):  # a paginator that never ends must not hang us
        params = PaginatedRequestParams(cursor=cursor) if cursor else None
        page = await client.session.list_tools(params=params)
        tools += page.tools
        cursor = page.next_cursor
        if not cursor:
            break
    return tools


def _reason(error: BaseException) -> str:
    """Why a connection failed, without what the wire said: that may quote our credentials."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    match error:
        case McpConfigError():
            return str(error).partition(": ")[2]
        case TimeoutError():
            return f"no answer within {CONNECT_SECONDS:g} seconds"
        case FileNotFoundError():
            return "the command does not exist"
        case PermissionError():
            return "the command may not be executed"
    return f"not reachable ({type(error).__name__})"
