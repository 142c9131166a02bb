"""How much disk an instance takes, without walking its folder at every question."""

import os
import time
from pathlib import Path

_KNOWN_SECONDS = 30.0
#: A folder that takes long to walk is walked the less often.
_SHARE_OF_TIME = 0.02

#: Folder to bytes, and until when they are believed.
_known: dict[Path, tuple[int, float]] = {}


def bytes_on_disk(folder: Path) -> int:
    """What its files occupy, links not followed; half a minute old, or older if it is large."""
    size, believed_until = _known.get(folder, (0, 0.0))
    began = time.monotonic()
    if began < believed_until:
        return size
    size = _walk(folder)
    took = time.monotonic() - began
    _known[folder] = size, began + max(_KNOWN_SECONDS, took / _SHARE_OF_TIME)
    return size


def forget(folder: Path) -> None:
    _known.pop(folder, None)


def _walk(folder: Path) -> int:
    size, folders = 0, [str(folder)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    size += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        except OSError:
            continue  # it was removed meanwhile
    return size
