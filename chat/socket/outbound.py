"""An answer as frames: what its run says and does, in the words of the socket.

Beside their fields of old, frames carry `run_id` and `seq`, the last event of the run's log that
they follow from. A client that comes back with it misses nothing: text that streamed after that
event comes again as a whole, so what it has of such text already is to be dropped.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from chat.answers import AnswerItem, Begun, Settled, Tally
from chat.deliveries import Delivery
from chat.notifications import Notification
from chat.services.transcripts import tool_result_of, tool_use_of
from runs.live import TextDelta
from runs.log.events import StoredEvent, to_json


def error(message: str) -> str:
    return _frame({"type": "error", "message": message})


def notification(news: Notification) -> str:
    return _frame(
        {
            "type": "notification",
            "job_name": news.job_name,
            "session_id": news.session_id,
            "result_preview": news.result_preview,
            "success": news.success,
        }
    )


def attachment(delivery: Delivery, run_id: str) -> str:
    return _frame({"type": "attachment", **delivery.as_map(), "run_id": run_id})


@dataclass(slots=True)
class AnswerFrames:
    """Makes the frames of one answer, from its beginning or from where a client left it."""

    begun: Begun
    seq: int  # the last event seen
    tally: Tally = field(default_factory=Tally)
    is_resumed: bool = False
    # Of the turn that streams: which, which attempt, and how many characters have been sent.
    _turn: str = ""
    _attempt: int = 0
    _sent: list[str] = field(default_factory=list)
    _length: int = 0

    def start(self) -> str:
        resumed = {"resumed": True} if self.is_resumed else {}
        return self._frame("stream_start", session_id=self.begun.session_id, **resumed)

    def of(self, items: Iterable[AnswerItem]) -> list[str]:
        """The frames of what happened; neighbouring pieces of text become one."""
        frames: list[str] = []
        pieces: list[str] = []

        def say() -> None:
            if pieces:
                frames.append(self._text("".join(pieces)))
                pieces.clear()

        for item in items:
            if isinstance(item, TextDelta):
                if item.turn_id != self._turn or item.attempt != self._attempt:
                    say()
                if piece := self._streamed(item):
                    pieces.append(piece)
            elif isinstance(item, StoredEvent):
                say()
                frames += self._recorded(item)
            elif isinstance(item, Settled):
                say()
                frames.append(self._end(item))
        say()
        return frames

    def _streamed(self, delta: TextDelta) -> str:
        """What of a piece has not been sent: nothing while one before it is missing."""
        if (delta.turn_id, delta.attempt) != (self._turn, self._attempt):
            self._turn, self._attempt = delta.turn_id, delta.attempt
            self._sent, self._length = [], 0
        known = self._length - delta.offset
        if known < 0 or known >= len(delta.text):
            return ""
        fresh = delta.text[known:]
        self._sent.append(fresh)
        self._length += len(fresh)
        return fresh

    def _recorded(self, event: StoredEvent) -> list[str]:
        self.tally.add(event)
        before, self.seq = self.seq, event.seq
        data = event.data
        match event.kind_name:
            case "AssistantMessageCompleted":
                texts = self._rest_of_turn(data, before)
                uses = data.get("tool_uses") or ()
                return texts + [self._as_frame(tool_use_of(use)) for use in uses]
            case "ToolCallCompleted":
                return [self._as_frame(tool_result_of(event))]
            case "ToolCallFailed" if data.get("final"):
                return [self._as_frame(tool_result_of(event))]
            case "InputRequested" if data["prompt"]:
                text = {"type": "text_delta", "text": data["prompt"]}
                return [_frame({**text, **self._place(before)})]
        return []

    def _rest_of_turn(self, data: dict[str, Any], before: int) -> list[str]:
        """What the turn said and nobody has sent yet.

        The frame still counts to the events before: who has seen all its calls has seen the event.
        """
        text, sent = data["text"], ""
        if data["turn_id"] == self._turn:
            sent = "".join(self._sent)
        attempt = self._attempt or 1
        self._turn, self._attempt, self._sent, self._length = "", 0, [], 0
        if text == sent or not text:
            return []
        if text.startswith(sent):
            fields: dict[str, Any] = {"text": text[len(sent) :]}
        else:  # what streamed was cleaned piece by piece, what is recorded as a whole
            fields = {"text": text, "replaces": True}
        about = {"turn_id": data["turn_id"], "attempt": attempt}
        return [_frame({"type": "text_delta", **fields, **self._place(before), **about})]

    def _end(self, settled: Settled) -> str:
        tally = self.tally
        self.seq = max(self.seq, settled.last_seq)
        is_broken = tally.error_type == "internal"
        counted = Tally() if is_broken else tally
        fields: dict[str, Any] = {
            "session_id": settled.session_id,
            "num_turns": counted.tool_turns,
            "cost_usd": counted.cost_usd,
            "input_tokens": counted.input_tokens,
            "output_tokens": counted.output_tokens,
            "cache_read_input_tokens": counted.cache_read_tokens,
            "cache_creation_input_tokens": counted.cache_write_tokens,
            "is_error": bool(tally.error),
        }
        if tally.error and tally.error_type != "max_turns":
            kind = "Stream" if is_broken else "API"
            fields["errors"] = [f"{kind} error: {tally.error}"]
        if tally.is_cancelled:
            fields["cancelled"] = True
        if settled.is_awaiting_input:
            fields["awaiting_input"] = True
        return self._frame("stream_end", **fields)

    def _text(self, text: str) -> str:
        about = {"turn_id": self._turn, "attempt": self._attempt} if self._turn else {}
        return self._frame("text_delta", text=text, **about)

    def _as_frame(self, shown: dict[str, Any]) -> str:
        return _frame({**shown, **self._place(self.seq)})

    def _frame(self, kind: str, **fields: Any) -> str:
        return _frame({"type": kind, **fields, **self._place(self.seq)})

    def _place(self, seq: int) -> dict[str, Any]:
        return {"run_id": self.begun.run_id, "seq": seq}


def _frame(fields: dict[str, Any]) -> str:
    return to_json(fields).decode()
