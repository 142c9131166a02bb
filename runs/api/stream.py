"""`/api/v1/runs/{id}/stream`: a run's history, then its life, as server-sent events.

The view answers in a request thread; the chunks are made on the event loop, where an open stream
costs no thread.
"""

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import ClassVar

from django.conf import settings
from django.http import StreamingHttpResponse

from accounts import capabilities
from accounts.authentication import is_still_valid
from accounts.principals import Principal
from project.lib.pool import in_database_thread
from runs import metrics
from runs.api import frames, words
from runs.api.requests import read_cursor
from runs.api.schema import describe_stream
from runs.live import TextDelta
from runs.log.events import StoredEvent
from runs.services.listing import RunSummary, find_run, find_summary
from runs.streams import Item, admission_seconds, follow_batches
from runs.surface import ApiRequest, SurfaceView


@describe_stream
class StreamView(SurfaceView):
    capabilities: ClassVar = {"GET": capabilities.RUNS_READ}

    def get(self, request: ApiRequest, run_id: str) -> StreamingHttpResponse:
        run = find_run(request.principal, run_id)
        stream = RunStream(run, caller=request.principal, after=read_cursor(request))
        chunks = stream.chunks(deltas=request.GET.get("deltas") == "1")
        return StreamingHttpResponse(chunks, headers=frames.HEADERS)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a status frame says of a run."""

    daemon_status: str | None
    status: str | None

    @classmethod
    def of(cls, run: RunSummary) -> "Standing":
        return cls(words.daemon_status_of(run), words.status_of(run))


_GOING_ON = Standing(words.RUNNING, words.IN_PROGRESS)


class RunStream:
    """One client's stream: how far it is in the log, and what it was told of the run's status."""

    def __init__(self, run: RunSummary, *, caller: Principal, after: int) -> None:
        self._run = run
        self._caller = caller
        self._admitted_at = time.monotonic()
        self._seq = after
        self._told = Standing.of(run)
        self._is_over = False
        self._lacks_its_end = run.is_finished  # the row says ended, the log has not said so yet
        self._sent_at = time.monotonic()

    async def chunks(self, *, deltas: bool) -> AsyncGenerator[bytes, None]:
        """The frames, as many as are ready at a time in one chunk."""
        metrics.sse_clients.inc()
        try:
            yield frames.OPENING + self._status() + self._done_if_nothing_is_left()
            if self._has_ended():
                return
            batches = follow_batches(self._run.id, self._seq, deltas=deltas)
            async with aclosing(batches):
                async for batch in batches:
                    if self._must_ask() and not await self._may_go_on():
                        yield self._error("the credential counts no more")
                        return
                    chunk = self._chunk_of(batch) if batch else await self._look_at_row()
                    if chunk:
                        self._sent_at = time.monotonic()
                        yield chunk
                    if self._has_ended():
                        return
        finally:
            metrics.sse_clients.dec()

    def _must_ask(self) -> bool:
        """Every now and then, not every time."""
        return time.monotonic() - self._admitted_at >= admission_seconds()

    async def _may_go_on(self) -> bool:
        """Whether the caller would still be let in."""
        self._admitted_at = time.monotonic()
        return await in_database_thread(is_still_valid, self._caller)

    def _chunk_of(self, batch: Sequence[Item]) -> bytes:
        parts = []
        for item in batch:
            if isinstance(item, TextDelta):
                parts.append(frames.delta_frame(item))
                continue
            parts.append(item.sse_frame)
            parts.append(self._take_note_of(item))
        return b"".join(parts)

    def _take_note_of(self, event: StoredEvent) -> bytes:
        """What an event changes: history changes nothing, the terminal event ends the stream."""
        self._seq = event.seq
        if event.is_terminal:
            word = words.word_after(event)
            ended = Standing(words.daemon_word_after(event), word)
            return self._tell(ended) + self._done(word, event.seq)
        return self._tell(_GOING_ON) if event.seq > self._run.head_seq else b""

    async def _look_at_row(self) -> bytes:
        """Something happened that is no event: a worker took the run, or the run is gone."""
        run = await in_database_thread(find_summary, self._run.id)
        if run is None:
            return self._error("the run was removed")
        if run.is_finished and self._seq < run.head_seq:
            return self._wait_for_its_end()
        self._run = run
        told = self._tell(Standing.of(run)) + self._done_if_nothing_is_left()
        silent_seconds = time.monotonic() - self._sent_at
        is_quiet = silent_seconds >= settings.STARPORT_STREAM_HEARTBEAT_SECONDS
        return told or (frames.HEARTBEAT if is_quiet else b"")

    def _wait_for_its_end(self) -> bytes:
        """The terminal event may be on its way; not here by the next look, it is lost."""
        if self._lacks_its_end:
            return self._error("the log of the run breaks off before its end")
        self._lacks_its_end = True
        return b""

    def _done_if_nothing_is_left(self) -> bytes:
        if self._run.is_finished and self._seq >= self._run.head_seq:
            return self._done(words.status_of(self._run), self._run.head_seq)
        return b""

    def _tell(self, standing: Standing) -> bytes:
        if standing == self._told:
            return b""
        self._told = standing
        return self._status()

    def _status(self) -> bytes:
        return frames.status_frame(self._run.id, self._told.daemon_status, self._told.status)

    def _has_ended(self) -> bool:
        return self._is_over

    def _done(self, word: str | None, last_seq: int) -> bytes:
        self._is_over = True
        return frames.done_frame(self._run.id, word, last_seq)

    def _error(self, message: str) -> bytes:
        self._is_over = True
        return frames.error_frame(message)
