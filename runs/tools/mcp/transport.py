"""The wire to one MCP server, with two additions: listings are repaired, and its end is noticed."""

import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any

import httpx2
from mcp import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCResponse

from runs.tools.mcp.config import McpServer, expanded

logger = logging.getLogger(__name__)

_CONNECT_SECONDS = 30.0
_READ_SECONDS = 300.0  # between two pieces of a stream; calls have their own timeout


@asynccontextmanager
async def connect(
    name: str, server: McpServer, on_end: Callable[[], None]
) -> AsyncIterator[tuple[ReadStream[SessionMessage | Exception], WriteStream[SessionMessage]]]:
    """Streams to and from the server. `on_end` is called once no more messages will come."""
    async with _streams(name, server) as (read, write):
        yield _Repaired(read, on_end), write


@asynccontextmanager
async def _streams(name: str, server: McpServer) -> AsyncIterator[Any]:
    if server.url:
        timeout = httpx2.Timeout(_CONNECT_SECONDS, read=_READ_SECONDS)
        headers = expanded(name, server.headers)
        async with (
            httpx2.AsyncClient(headers=headers, timeout=timeout) as http,
            streamable_http_client(server.url, http_client=http) as streams,
        ):
            yield streams
        return
    # The subprocess gets PATH, HOME and the like besides `env`, and none of our own secrets.
    parameters = StdioServerParameters(
        command=server.command,
        args=server.args,
        env=expanded(name, server.env),
        cwd=server.cwd,
        encoding_error_handler="replace",
    )
    async with stdio_client(parameters, errlog=sys.__stderr__ or sys.stderr) as streams:
        yield streams


class _Repaired:
    """A read stream. One tool without a proper schema would make the client library refuse the
    server's whole listing, so such tools are mended (no schema) or left out (not an object)."""

    def __init__(
        self, inner: ReadStream[SessionMessage | Exception], on_end: Callable[[], None]
    ) -> None:
        self._inner = inner
        self._on_end = on_end

    @property
    def last_context(self) -> Any:
        return getattr(self._inner, "last_context", None)

    async def receive(self) -> SessionMessage | Exception:
        try:
            item = await self._inner.receive()
        except Exception:
            self._on_end()
            raise
        _repair(item)
        return item

    async def aclose(self) -> None:
        await self._inner.aclose()

    def __aiter__(self) -> "_Repaired":
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            item = await self._inner.__anext__()
        except Exception:
            self._on_end()
            raise
        _repair(item)
        return item

    async def __aenter__(self) -> "_Repaired":
        await self._inner.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool | None:
        return await self._inner.__aexit__(exc_type, exc_val, exc_tb)


def _repair(item: SessionMessage | Exception) -> None:
    if not isinstance(item, SessionMessage) or not isinstance(item.message, JSONRPCResponse):
        return
    tools = item.message.result.get("tools")
    if isinstance(tools, list):
        item.message.result["tools"] = [tool for tool in tools if _has_schema(tool)]


def _has_schema(tool: Any) -> bool:
    if not isinstance(tool, dict):
        return False
    if tool.get("inputSchema") is None:
        tool["inputSchema"] = {"type": "object"}
    schema = tool["inputSchema"]
    if isinstance(schema, dict) and schema.get("type", "object") == "object":
        schema.setdefault("type", "object")
        return True
    logger.warning("MCP tool left out: its schema is no object", extra={"tool": tool.get("name")})
    return False
