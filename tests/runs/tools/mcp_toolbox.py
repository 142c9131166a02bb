"""A real MCP server, for both transports. Run as a program it speaks over stdin and stdout.

`COUNTER_FILE` names a file to which every executed call adds a line.
"""

import os
from pathlib import Path
from typing import Any

import anyio
from mcp.server.mcpserver import Image, MCPServer
from mcp_types import CallToolResult, TextContent


def make_server() -> MCPServer:
    server = MCPServer("toolbox", log_level="CRITICAL")

    def count(name: str) -> None:
        if path := os.environ.get("COUNTER_FILE"):
            with Path(path).open("a") as file:
                file.write(f"{name}\n")

    @server.tool()
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        count("add")
        return a + b

    @server.tool(structured_output=False)
    def greet(name: str) -> str:
        """Say hello."""
        return f"hello {name}"

    @server.tool(title="Only a title", description="")
    def secret() -> str:
        return os.environ.get("TOOLBOX_SECRET", "none")

    @server.tool()
    def fail(why: str) -> str:
        """Fail."""
        count("fail")
        raise ValueError(why)

    @server.tool(structured_output=False)
    def picture() -> Image:
        """A picture."""
        return Image(data=b"\x89PNG", format="png")

    @server.tool(structured_output=False)
    def long(size: int) -> str:
        """A long text."""
        return "x" * size

    @server.tool(structured_output=False)
    def die() -> str:
        """End the process in the middle of a call."""
        os._exit(1)

    @server.tool(structured_output=False)
    async def hang() -> str:
        """Never answer."""
        await anyio.sleep_forever()
        raise AssertionError

    @server.tool(structured_output=False)
    def soft_error() -> CallToolResult:
        """An error in the way of the protocol."""
        text: Any = TextContent(type="text", text="out of stock")
        return CallToolResult(content=[text], is_error=True)

    @server.tool(name="files/read v2", structured_output=False)
    def odd_name() -> str:
        """Its name is none a provider would take."""
        return "read"

    return server


if __name__ == "__main__":
    make_server().run("stdio")
