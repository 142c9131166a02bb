"""Effects on the world outside, recorded so that a replay repeats neither them nor a refusal."""

from collections.abc import Awaitable, Callable
from typing import Any

from runs.tools.base import ToolContext, ToolError


async def recorded(context: ToolContext, name: str, effect: Callable[[], Awaitable[Any]]) -> Any:
    """The value of `effect`, recorded. A `ToolError` is recorded too, and raised again."""

    async def outcome() -> dict[str, Any]:
        try:
            return {"value": await effect()}
        except ToolError as error:
            return {"error": str(error)}

    result = await context.side_effect(name, outcome)
    if "error" in result:
        raise ToolError(result["error"])
    return result["value"]
