"""Images in a conversation: kept with each run that shows them to its model.

Logs hold their hashes alone. A run keeps every image of its history as an artifact of its own, so
that pruning an older run takes nothing away from it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings

from chat.services.attachments import image_type
from runs import artifacts
from runs.models import ArtifactRef
from runs.services.artifacts import keep_artifact
from runs.tools import sandbox
from runs.tools.builtin.files import files_root
from runs.tools.builtin.uploads import stored_path

#: `ArtifactRef.path` of what came with a message, not from a step or a call.
_PATH = "message"


class PromptImages:
    """Those that come with one message, and those of what was said before."""

    def __init__(
        self,
        attachments: Iterable[Mapping[str, Any]],
        history: Iterable[Mapping[str, Any]],
        *,
        user_id: str,
        actor: str,
    ) -> None:
        self._new: list[tuple[str, str, bytes]] = []  # name, media type, data
        self._old = {
            image["digest"]: image["media_type"]
            for message in history
            for image in message.get("images", ())
        }
        for item in attachments:
            data = _read(stored_path(str(item["path"]), user_id=user_id, actor=actor))
            if kind := image_type(data):
                self._new.append((str(item["name"]), kind, data))

    @property
    def inputs(self) -> list[dict[str, str]]:
        """As the chat graph takes them."""
        return [
            {"digest": artifacts.content_hash(data), "media_type": kind}
            for _, kind, data in self._new
        ]

    def keep(self, run_id: str) -> None:
        """Call it in the transaction that starts the run."""
        for name, kind, data in self._new:
            keep_artifact(run_id, _PATH, 0, name, kind, data)
        for digest, kind in self._old.items():
            known = ArtifactRef.objects.filter(digest=digest).order_by("pk").first()
            if known is None:
                continue  # pruned: models get the text alone
            artifacts.hold(digest)
            ArtifactRef.objects.get_or_create(
                run_id=run_id,
                path=_PATH,
                name=known.name,
                digest=digest,
                defaults={"step": 0, "content_type": kind, "size": known.size},
            )


def _read(path: str) -> bytes:
    try:
        return sandbox.read(files_root(), path, settings.STARPORT_ARTIFACT_MAX_BYTES)
    except sandbox.Refused:
        return b""  # removed since it came: the note with its path is all there is
