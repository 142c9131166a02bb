"""The memory as tools: they act for the run's user, on their documents and the shared ones."""

from typing import Annotated, Any

from pydantic import Field

from accounts.capabilities import CHAT_USE, MEMORY_WRITE, SETTINGS_MANAGE
from chat.errors import OutOfRange
from chat.live_settings import current
from chat.live_settings.groups import Memory
from chat.memory.daily import append_daily
from chat.memory.documents import SHARED, check_name, owner_of_document, write_document
from chat.memory.review import TRIGGER_SOURCE
from chat.memory.search import search
from chat.models import Session
from chat.models.sessions import NOBODY, owner_of_actor
from chat.openai_api.starting import TRIGGER_SOURCE as COMPLETION_SOURCE
from project.lib.pool import in_database_thread
from runs.models import Run
from runs.tools.base import ToolContext, ToolError
from runs.tools.recorded import recorded
from runs.tools.typed import tool

#: Of one result that a model is shown: a single line can be as long as a document.
RESULT_CHARS = 8_000

Query = Annotated[str, Field(max_length=10_000, description='Words, "a phrase" or begin*')]
Limit = Annotated[int, Field(ge=1, le=50, description="The most results to return")]
FileName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=255,
        description="USER.md, MEMORY.md or a path below memory/ of the user; ends in .md",
    ),
]
Content = Annotated[str, Field(description="All of it, in Markdown: it replaces what was there")]
Entry = Annotated[str, Field(min_length=1, description="What to add, in Markdown")]


@tool(side_effects="read", permissions=(CHAT_USE,), timeout_seconds=30)
async def memory_search(query: Query, context: ToolContext, limit: Limit = 10) -> dict[str, Any]:
    """Look for something in the memory: notes on the user, daily logs, shared documents."""

    async def look() -> dict[str, Any]:
        return await in_database_thread(_look, context.run_id, context.user_id, query, limit)

    result: dict[str, Any] = await recorded(context, "memory_search", look)
    return result


# Idempotent: written again, a document is the same.
@tool(side_effects="write", permissions=(MEMORY_WRITE,), timeout_seconds=30)
async def memory_write(file: FileName, content: Content, context: ToolContext) -> dict[str, Any]:
    """Replace a document of the memory. USER.md and MEMORY.md are part of every conversation to
    come, so keep them short; write details below memory/."""

    async def write() -> dict[str, Any]:
        return await in_database_thread(_write, file, content, context)

    result: dict[str, Any] = await recorded(context, "memory_write", write)
    return result


# Idempotent: an entry is kept under the key of its call.
@tool(side_effects="write", permissions=(MEMORY_WRITE,), timeout_seconds=30)
async def memory_append_daily(text: Entry, context: ToolContext) -> dict[str, str]:
    """Add an entry to today's log, under the time of day."""
    at_ns = await context.now()

    async def append() -> dict[str, str]:
        return {"file": await in_database_thread(_append, text, at_ns, context)}

    result: dict[str, str] = await recorded(context, "memory_append_daily", append)
    return result


TOOLS = (memory_search, memory_write, memory_append_daily)


def owner_of_run(run_id: str, user_id: str | None) -> str:
    """Whose memory a run works with: its user's, else that of whoever leads its conversation."""
    if user_id is not None:
        return user_id
    sessions = Session.objects.filter(exchanges__run_id=run_id)
    review = Run.objects.filter(pk=run_id, trigger_source=TRIGGER_SOURCE).first()
    if review is not None:  # it answers nobody, and knows which conversation it is about
        sessions = Session.objects.filter(pk=review.metadata["session_id"])
    owner = sessions.values_list("owner", flat=True).first()
    if owner is not None:
        return owner
    completion = Run.objects.filter(pk=run_id, trigger_source=COMPLETION_SOURCE).first()
    return owner_of_actor(completion.actor) if completion is not None else NOBODY


def _look(run_id: str, user_id: str | None, query: str, limit: int) -> dict[str, Any]:
    hits = search(owner_of_run(run_id, user_id), query, limit)
    return {
        "results": [
            {
                "source": hit.source,
                "text": hit.text[:RESULT_CHARS],
                "line_start": hit.line_start,
                "line_end": hit.line_end,
            }
            for hit in hits
        ]
    }


def _write(file: str, content: str, context: ToolContext) -> dict[str, Any]:
    try:
        check_name(file)
        owner = owner_of_document(file, owner_of_run(context.run_id, context.user_id))
        if owner == SHARED and SETTINGS_MANAGE not in context.capabilities:
            # It is in everybody's conversations: one user must not speak to the others' assistant.
            raise ToolError(f"{file} is shared by all users: writing it needs {SETTINGS_MANAGE}")
        _check_length(file, content)
        write_document(owner, file, content, actor=context.actor, run_id=context.run_id)
    except OutOfRange as error:
        raise ToolError(str(error)) from error
    return {"file": file, "bytes": len(content.encode())}


def _check_length(file: str, content: str) -> None:
    settings = current(Memory)
    limits = {"USER.md": settings.user_md_limit, "MEMORY.md": settings.memory_md_limit}
    limit = limits.get(file)
    if limit is not None and len(content) > limit:
        raise ToolError(
            f"{file} may have {limit} characters, this has {len(content)}: keep what matters in"
            " every conversation, and write the rest below memory/"
        )


def _append(text: str, at_ns: int, context: ToolContext) -> str:
    try:
        return append_daily(
            owner_of_run(context.run_id, context.user_id),
            text,
            actor=context.actor,
            at_ns=at_ns,
            run_id=context.run_id,
            key=context.idempotency_key,
        )
    except OutOfRange as error:
        raise ToolError(str(error)) from error
