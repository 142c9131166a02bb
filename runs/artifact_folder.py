"""Artifacts in a folder of this machine, or of a volume that several machines mount."""

import os
import secrets
from pathlib import Path
from typing import Any

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage

#: How the name of a file ends that is not complete yet.
PARTIAL = ".part"


class ArtifactFolder(FileSystemStorage):
    """Files appear whole or not at all: written beside their place, synced, then renamed.

    A name says what its file holds, so whoever comes second may replace what the first wrote.
    """

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return name

    def probe(self) -> None:
        """Raise `OSError` where nothing can be written. The folder is made by the first write."""
        place = Path(self.location)
        while not place.exists():
            place = place.parent
        if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
            raise PermissionError("nothing can be written to the folder of artifacts")

    def _save(self, name: str, content: "File[Any]") -> str:
        target = Path(self.path(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{target.name}.{secrets.token_hex(4)}{PARTIAL}")
        try:
            with open(partial, "xb") as file:
                for chunk in content.chunks():
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        return name
