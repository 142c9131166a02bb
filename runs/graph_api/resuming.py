"""Where a stream begins: at the first frame, or right after the one that its client saw last."""

from dataclasses import dataclass, field

from runs.graph_api.cursors import (
    NO_LOG,
    NO_SUCH_FRAME,
    BadCursor,
    Cursor,
    LegacyCursor,
    event_id_of,
)
from runs.graph_api.frames import Frame, FrameMaker
from runs.log.events import StoredEvent
from runs.log.read import walk_events


@dataclass(frozen=True, slots=True)
class Start:
    """Send `frames`, then those that `maker` makes of the events after seq `after`."""

    maker: FrameMaker = field(default_factory=FrameMaker)
    frames: tuple[Frame, ...] = ()
    after: int = 0
    is_at_end: bool = False  # no event follows


def start_after(run_id: str, cursor: Cursor | LegacyCursor | None) -> Start:
    """Raises `BadCursor` when there is no such frame.

    Reads the log from its beginning: a frame may show what much earlier events said.
    """
    if cursor is None:
        return Start()
    maker = FrameMaker()
    event = None
    for event in walk_events(run_id):
        frames = maker.frames_of(event)
        seen = _number_of(cursor, event, frames)
        if seen is not None:
            return Start(maker, frames[seen + 1 :], event.seq, event.is_terminal)
    raise BadCursor(NO_LOG if event is None else NO_SUCH_FRAME)


def _number_of(
    cursor: Cursor | LegacyCursor, event: StoredEvent, frames: tuple[Frame, ...]
) -> int | None:
    """Which frame of the event it is that the cursor names."""
    for index, frame in enumerate(frames):
        if isinstance(cursor, LegacyCursor):
            is_named = (frame.step, frame.cursor.ordinal) == (cursor.step, cursor.ordinal)
        else:
            # Not by its place in the step: redacting an event may move the later ones.
            is_named = (event_id_of(event, index), event.seq - 1) == (
                cursor.event_id,
                cursor.offset,
            )
        if is_named:
            return index
    return None
