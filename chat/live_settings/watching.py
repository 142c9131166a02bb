"""What a server does beside its requests: watch the settings file, keep what runs ask for fresh."""

import asyncio
import logging
from pathlib import Path

from watchfiles import awatch

from chat.live_settings.file import SettingsFile
from project.lib.pool import in_database_thread
from runs import operator_settings

logger = logging.getLogger(__name__)

#: A change is read when the folder has been quiet for that long, and after two seconds at the most:
#: editors write more than once, and a file may arrive in pieces.
QUIET_MS, DEBOUNCE_MS = 500, 2_000
#: The file is looked at that often in any case: not every file system tells of changes.
LOOK_MS = 5_000
#: Seconds until the folder is watched again after that failed.
RETRY_SECONDS = 5.0


async def watch_settings_file(path: Path) -> None:
    """Take over each change, until cancelled. The folder is watched: editors replace files."""
    file = SettingsFile(path)
    while True:
        try:
            await in_database_thread(file.look)
            await _follow(path.parent, file)
        except Exception:
            logger.exception("watching the settings file failed")
        await asyncio.sleep(RETRY_SECONDS)


async def _follow(folder: Path, file: SettingsFile) -> None:
    await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
    stop = asyncio.Event()
    try:
        async for _ in awatch(
            folder,
            watch_filter=None,
            debounce=DEBOUNCE_MS,
            step=QUIET_MS,
            rust_timeout=LOOK_MS,
            yield_on_timeout=True,
            recursive=False,
            stop_event=stop,
        ):
            await in_database_thread(file.look)
    finally:
        stop.set()  # the thread that waits for changes looks at it


async def keep_fresh() -> None:
    """For the requests of a server without an engine, which would do it."""
    while True:
        try:
            await in_database_thread(operator_settings.refresh)
        except Exception:
            logger.exception("reading the live settings failed")
        await asyncio.sleep(operator_settings.REFRESH_SECONDS)
