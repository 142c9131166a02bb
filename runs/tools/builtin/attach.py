"""`attach`: keep a file with the run, or point at one kept before, so that a client can show it."""

import asyncio
import mimetypes
from pathlib import PurePosixPath
from typing import Annotated, Any

from django.conf import settings
from pydantic import Field

from project.lib.pool import in_database_thread
from runs.artifacts import path_of_call
from runs.errors import ArtifactNotFound, InvalidInput
from runs.models import ArtifactRef
from runs.services.artifacts import keep_artifact, refer_to_artifact
from runs.tools import sandbox
from runs.tools.base import ToolContext, ToolError
from runs.tools.builtin.files import files_root
from runs.tools.builtin.uploads import stored_path
from runs.tools.recorded import recorded
from runs.tools.typed import tool

AttachedPath = Annotated[
    str | None,
    Field(min_length=1, max_length=1000, description="A file, relative to the files folder"),
]
ArtifactId = Annotated[
    str | None,
    Field(pattern="^[0-9a-f]{32}$", description="An artifact attached or written before"),
]

# A file belongs to no step of a graph but to the call that attached it.
_STEP = 0


@tool(side_effects="write", timeout_seconds=60)
async def attach(
    context: ToolContext, path: AttachedPath = None, artifact_id: ArtifactId = None
) -> dict[str, Any]:
    """Attach a file from the files folder, or an artifact, to the answer. Give exactly one."""
    if (path is None) == (artifact_id is None):
        raise ToolError("give either path or artifact_id")

    async def reference() -> dict[str, Any]:
        if path is not None:
            return _reference(await _kept(context, path))
        return _reference(await _existing(context, artifact_id or ""))

    result: dict[str, Any] = await recorded(context, "attach", reference)
    return result


async def _kept(context: ToolContext, path: str) -> ArtifactRef:
    data = await asyncio.to_thread(
        _read, stored_path(path, user_id=context.user_id, actor=context.actor)
    )
    name = PurePosixPath(path).name
    kind = mimetypes.guess_type(name)[0] or ""
    where = path_of_call(context.call_id)
    try:
        return await in_database_thread(
            keep_artifact, context.run_id, where, _STEP, name, kind, data
        )
    except InvalidInput as error:
        raise ToolError(str(error)) from error


def _read(path: str) -> bytes:
    try:
        return sandbox.read(files_root(), path, settings.STARPORT_ARTIFACT_MAX_BYTES)
    except sandbox.Refused as error:
        raise ToolError(str(error)) from error


async def _existing(context: ToolContext, artifact_id: str) -> ArtifactRef:
    where = path_of_call(context.call_id)
    try:
        return await in_database_thread(
            refer_to_artifact, context.run_id, where, _STEP, artifact_id
        )
    except ArtifactNotFound:
        raise ToolError("artifact_id: there is no such artifact") from None


def _reference(ref: ArtifactRef) -> dict[str, Any]:
    return {
        "artifact_id": ref.artifact_id,
        "name": ref.name,
        "size": ref.size,
        "media_type": ref.content_type,
    }
