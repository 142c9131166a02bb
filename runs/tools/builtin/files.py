"""`read_file` and `list_files`: what the operator put into the files folder, and nothing else."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

from django.conf import settings
from pydantic import Field

from runs.tools import sandbox
from runs.tools.base import ToolContext, ToolError
from runs.tools.builtin.uploads import stored_path
from runs.tools.recorded import recorded
from runs.tools.typed import tool

FilePath = Annotated[
    str, Field(min_length=1, max_length=1000, description="Relative to the files folder")
]
FolderPath = Annotated[
    str, Field(max_length=1000, description="Relative to the files folder; empty for all of it")
]


@tool(side_effects="read", timeout_seconds=15)
async def read_file(path: FilePath, context: ToolContext) -> dict[str, str]:
    """Read a text file (UTF-8, at most 1 MiB) from the files folder."""

    async def read() -> dict[str, str]:
        return await asyncio.to_thread(_read_text, _place(path, context))

    result: dict[str, str] = await recorded(context, "read_file", read)
    return result


@tool(side_effects="read", timeout_seconds=15)
async def list_files(context: ToolContext, path: FolderPath = "") -> dict[str, Any]:
    """List the files and folders of one folder in the files folder, with sizes in bytes."""

    async def names() -> dict[str, Any]:
        return await asyncio.to_thread(_list_names, _place(path, context))

    result: dict[str, Any] = await recorded(context, "list_files", names)
    return result


def files_root() -> Path:
    """The folder the sandbox is rooted in; made on first use."""
    root = Path(settings.STARPORT_FILES_DIR)
    root.mkdir(parents=True, exist_ok=True)
    return root


def _place(path: str, context: ToolContext) -> str:
    return stored_path(path, user_id=context.user_id, actor=context.actor)


def _read_text(path: str) -> dict[str, str]:
    try:
        return {"contents": sandbox.read(files_root(), path).decode()}
    except UnicodeDecodeError:
        raise ToolError(f"{path!r}: is not a UTF-8 text file") from None
    except sandbox.Refused as error:
        raise ToolError(str(error)) from error


def _list_names(path: str) -> dict[str, Any]:
    try:
        listing = sandbox.names(files_root(), path)
    except sandbox.Refused as error:
        raise ToolError(str(error)) from error
    files = [
        {"name": entry.name, "type": entry.type, "size": entry.size} for entry in listing.entries
    ]
    return {"files": files, "truncated": listing.truncated}
