"""Tools that leave traces of every execution, and tools that misbehave.

A trace is one line of a file in the data folder, written with O_APPEND before the work begins, so
that it survives whatever happens to the process.
"""

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

from runs.tools.base import Tool, ToolContext, ToolError
from runs.tools.typed import tool


def leave_trace(name: str, line: str) -> None:
    path = Path(os.environ["STARPORT_DATA"]) / f"{name}.trace"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(handle, f"{line}\n".encode())
    finally:
        os.close(handle)


@tool(namespace="faults", side_effects="external", idempotent=False)
async def transfer(context: ToolContext, seconds: float = 0.0) -> str:
    """Has an effect that must happen once."""
    leave_trace("transfer", context.idempotency_key)
    await asyncio.sleep(seconds)
    return "transferred"


@tool(namespace="faults", side_effects="write")
async def upsert(context: ToolContext, seconds: float = 0.0) -> str:
    """Has an effect that may be repeated under its key."""
    leave_trace("upsert", context.idempotency_key)
    await asyncio.sleep(seconds)
    return "stored"


@tool(namespace="faults")
async def price(article: str) -> dict[str, Any]:
    """The price of an article."""
    return {"article": article, "price": 10}


@tool(namespace="faults")
async def refuse(message: str, seconds: float = 0.0) -> str:
    """Fails with a sentence."""
    await asyncio.sleep(seconds)
    raise ToolError(message)


@tool(namespace="faults")
async def panic() -> str:
    """Raises what no tool should."""
    raise RuntimeError("the secret detail")


@tool(namespace="faults", timeout_seconds=0.2)
async def too_slow() -> str:
    """Takes longer than it may."""
    await asyncio.sleep(30)
    return "too late"


@tool(namespace="faults")
async def inner_timeout() -> str:
    """Runs into a time limit of its own."""
    async with asyncio.timeout(0.01):
        await asyncio.sleep(30)
    return "too late"


@tool(namespace="faults")
async def cancels_itself() -> str:
    """Lets a cancellation of its own escape."""
    work = asyncio.ensure_future(asyncio.sleep(30))
    work.cancel()
    await work
    return "never"


@tool(namespace="faults")
async def exits() -> str:
    """Asks the whole process to end."""
    sys.exit(3)


@tool(namespace="faults")
def exits_in_a_thread() -> str:
    """Asks the whole process to end, from a thread."""
    sys.exit(3)


@tool(namespace="faults", timeout_seconds=300)
def blocks(seconds: float) -> str:
    """Blocks its thread and cannot be interrupted."""
    leave_trace("blocks", str(seconds))
    time.sleep(seconds)
    return "done"


@tool(namespace="faults")
async def returns_text(text: str) -> str:
    """Returns what it was given."""
    return text


@tool(namespace="faults")
async def nonsense() -> Any:
    """Returns what no log can hold."""
    return {"value": object()}


TOOLS: list[Tool] = [item for item in list(globals().values()) if isinstance(item, Tool)]
