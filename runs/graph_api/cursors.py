"""Where a client of the stream has got to: `<event_id>,<offset>,<seq>`, handed out in each frame.

`event_id` names a frame: the first half of its event's hash, and for the second frame of an event
`.1` behind it, for the third `.2`. `offset` is the event's position in the log, from 0. `seq` is
the frame's position among those of its step. The older form `<run_id>:<step>:<seq>` is understood.
"""

import re
from dataclasses import dataclass

from runs.log.events import StoredEvent

MALFORMED = "malformed last_event_id: '{raw}'"
OTHER_RUN = "last_event_id run_id mismatch: cursor='{cursor}' path='{path}'"
NO_LOG = "audit not found"
NO_SUCH_FRAME = "cursor does not match this run"

_CURSOR = re.compile(r"([^,]+),(\d{1,18}),(\d{1,18})", re.ASCII)
_LEGACY = re.compile(r"(.+):(\d{1,18}):(\d{1,18})", re.ASCII)


class BadCursor(Exception):
    """It names no frame of this run. The message is for the client."""


@dataclass(frozen=True, slots=True)
class Cursor:
    event_id: str
    offset: int
    ordinal: int  # the third part

    @property
    def text(self) -> str:
        return f"{self.event_id},{self.offset},{self.ordinal}"


@dataclass(frozen=True, slots=True)
class LegacyCursor:
    step: int
    ordinal: int


def event_id_of(event: StoredEvent, index: int) -> str:
    """Of an event's frame number `index`."""
    half = event.hash.hex()[:32]
    return f"{half}.{index}" if index else half


def read_cursor(raw: str, *, run_id: str) -> Cursor | LegacyCursor:
    """Raises `BadCursor` for what is no cursor, or another run's."""
    if found := _CURSOR.fullmatch(raw):
        return Cursor(found[1], int(found[2]), int(found[3]))
    legacy = _LEGACY.fullmatch(raw)
    if legacy is None:
        raise BadCursor(MALFORMED.format(raw=raw))
    if legacy[1] != run_id:
        raise BadCursor(OTHER_RUN.format(cursor=legacy[1], path=run_id))
    return LegacyCursor(int(legacy[2]), int(legacy[3]))
