"""MCP tools as tools of ours. Each call is a recorded effect, so a replay contacts no server."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import mcp_types

from runs.tools.base import Tool, ToolContext, ToolError
from runs.tools.mcp.config import McpServer
from runs.tools.mcp.connection import CONNECT_SECONDS, McpUnreachable
from runs.tools.mcp.results import Answer

#: Remote name, arguments -> the server's answer. Raises `McpUnreachable`.
Call = Callable[[str, dict[str, Any]], Awaitable[Answer]]

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")
_MAX_NAME = 64
_GRACE_SECONDS = CONNECT_SECONDS + 5.0  # a call may have to connect first


def build_tool(server_name: str, server: McpServer, listed: mcp_types.Tool, call: Call) -> Tool:
    return Tool(
        name=_NOT_IN_NAMES.sub("_", server.prefix + listed.name)[:_MAX_NAME],
        description=_description(listed),
        schema=listed.input_schema,
        execute=_executor(listed.name, call),
        namespace=f"mcp-{server_name}",
        side_effects=server.side_effects_of(listed.name),
        idempotent=server.is_idempotent(listed.name),
        timeout_seconds=server.timeout_of(listed.name) + _GRACE_SECONDS,
        output_schema=listed.output_schema,
    )


def recorded_tool(name: str, remote_name: str) -> Tool:
    """A stand-in for replays where the server is not there to list its tools: it knows what was
    recorded as `mcp/<remote name>`, and nothing else."""

    async def refuse(remote_name: str, _: dict[str, Any]) -> Answer:
        raise McpUnreachable(f"{remote_name} has no recorded answer")

    return Tool(
        name=name,
        description="",
        schema={"type": "object"},
        execute=_executor(remote_name, refuse),
        namespace="mcp-recorded",
        side_effects="external",
        idempotent=False,
    )


def _executor(
    remote_name: str, call: Call
) -> Callable[[dict[str, Any], ToolContext], Awaitable[Any]]:
    async def execute(arguments: dict[str, Any], context: ToolContext) -> Any:
        async def ask() -> dict[str, Any]:
            return (await call(remote_name, arguments)).as_record()

        try:
            record = await context.side_effect(f"mcp/{remote_name}", ask)
        except McpUnreachable as error:  # not recorded: it says nothing about the tool
            raise ToolError(str(error)) from error
        return Answer.from_record(record).value()

    return execute


def _description(listed: mcp_types.Tool) -> str:
    annotated = listed.annotations.title if listed.annotations else None
    return listed.description or listed.title or annotated or ""
