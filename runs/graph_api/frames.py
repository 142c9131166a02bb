"""A run's log as the frames of `/v1`'s stream: each one a whole object, each one resumable."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from project.lib.clock import now_ns
from runs.graph_api.cursors import Cursor, event_id_of
from runs.graph_api.frame_kinds import Draft, drafts_of
from runs.graph_api.past import Past, Place
from runs.graph_api.summaries import timestamp_of
from runs.live import TextDelta
from runs.log.events import StoredEvent, to_json

_READER = "/v1 frames"


@dataclass(frozen=True)
class Frame:
    """One recorded frame. Who has seen it goes on with `cursor`."""

    cursor: Cursor
    step: int
    body: dict[str, Any]

    @cached_property
    def text(self) -> str:
        """JSON. Made once per process, however many watch."""
        return to_json(self.body).decode()


@dataclass(slots=True)
class FrameMaker:
    """Turns a log, event by event from its first, into frames.

    Frames depend on the log alone, so all watchers of a process share those of an event.
    """

    _past: Past = field(default_factory=Past)
    _ordinals: dict[int, int] = field(default_factory=dict)  # by step, of the next frame
    _cursor: str | None = None  # of the last recorded frame
    _pieces: dict[str, tuple[int, int]] = field(default_factory=dict)  # by turn: attempt, next

    def frames_of(self, event: StoredEvent) -> tuple[Frame, ...]:
        """Of the next event of the log."""
        self._past.take(event)
        frames: tuple[Frame, ...] | None = event.derived.get(_READER)
        if frames is None:
            frames = event.derived[_READER] = self._make(event)
        for frame in frames:
            self._ordinals[frame.step] = frame.cursor.ordinal + 1
            self._cursor = frame.cursor.text
        return frames

    def token(self, delta: TextDelta) -> str | None:
        """A piece of text as it streams; `None` when its turn is recorded already.

        It is not recorded, so its cursor is that of the frame before it.
        """
        if self._past.is_over(delta.turn_id):
            return None
        attempt, index = self._pieces.get(delta.turn_id, (delta.attempt, 0))
        if attempt != delta.attempt:
            index = 0
        self._pieces = {delta.turn_id: (delta.attempt, index + 1)}
        fields = {"model": self._past.model, "token": delta.text, "index": index}
        place = self._past.place_of_turn({"turn_id": delta.turn_id})
        body = _body("token", delta.run_id, place, now_ns(), {"cursor": self._cursor}, fields)
        return to_json(body).decode()

    def _make(self, event: StoredEvent) -> tuple[Frame, ...]:
        frames = []
        ordinals: dict[int, int] = {}
        for index, draft in enumerate(drafts_of(event, self._past)):
            step = draft.place.step
            ordinal = ordinals.get(step, self._ordinals.get(step, 0))
            ordinals[step] = ordinal + 1
            cursor = Cursor(event_id_of(event, index), event.seq - 1, ordinal)
            frames.append(Frame(cursor, step, _frame_body(event, draft, cursor)))
        return tuple(frames)


def _frame_body(event: StoredEvent, draft: Draft, cursor: Cursor) -> dict[str, Any]:
    payload = {"cursor": cursor.text, **draft.about}
    if event.is_redacted:
        payload["redacted"] = True
    return _body(draft.type, event.run_id, draft.place, event.ts, payload, draft.fields)


def _body(
    kind: str, run_id: str, place: Place, ts: int, payload: dict[str, Any], fields: dict[str, Any]
) -> dict[str, Any]:
    return {
        "type": kind,
        "run_id": run_id,
        "step": place.step,
        "branch_id": place.branch_id,
        "ts": timestamp_of(ts),
        "payload": payload,
        **fields,
    }
