"""`now`: what time it is, for models that cannot know."""

from project.lib.clock import to_rfc3339
from runs.tools.base import ToolContext
from runs.tools.typed import tool


@tool(timeout_seconds=5)
async def now(context: ToolContext) -> dict[str, str]:
    """The current date and time in UTC, as RFC 3339 and as nanoseconds since 1970."""
    nanoseconds = await context.now()
    # As text: a JSON number would lose its last digits in most readers.
    return {"time": to_rfc3339(nanoseconds), "unix_ns": str(nanoseconds)}
