"""`runs follow`: one run as it happens, from whatever process executes it."""

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from django.conf import settings

from project.lib.command_line import count
from project.lib.pool import in_database_thread
from project.lib.tasks import meanwhile
from project.lib.terminal import Terminal
from runs import news, watching
from runs.errors import RunNotFound
from runs.event_types import KIND_NUMBERS
from runs.live import TextDelta, hub
from runs.log.events import StoredEvent, to_json
from runs.management.lookup import find_run
from runs.management.preflight import require_database
from runs.management.transcript import Transcript
from runs.models import Event, Run
from runs.streams import follow_batches


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_id", metavar="ID")
    parser.add_argument(
        "--after", type=count, default=0, metavar="SEQ", help="begin behind this event"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    parser.add_argument(
        "--deltas", action="store_true", help="also text as the model streams it (needs REDIS_URL)"
    )


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    require_database()
    chosen = find_run(options.run_id)
    if chosen.is_finished and options.after >= chosen.head_seq:
        return 0  # nothing is left to come
    if not chosen.head_seq:
        terminal.note("queued; waiting for a worker (Ctrl-C stops watching, not the run)")
    if options.deltas and not settings.REDIS_URL:
        terminal.note("without REDIS_URL text arrives when an answer is complete")
    view: _View = (
        _Lines(terminal)
        if options.json
        else _Reading(terminal, Transcript(terminal, _turns_until(chosen, options.after)))
    )
    asyncio.run(_follow(chosen.id, options.after, view, deltas=options.deltas))
    return 0


def _turns_until(run: Run, seq: int) -> int:
    turn_started = KIND_NUMBERS["TurnStarted"]
    return Event.objects.filter(run=run, seq__lte=seq, kind=turn_started).count() if seq else 0


class _View(Protocol):
    """How what arrives is written."""

    terminal: Terminal

    def event(self, event: StoredEvent) -> None: ...

    def delta(self, delta: TextDelta) -> None: ...


@dataclass
class _Lines:
    """The objects that the stream of `/api/v1` sends, one a line."""

    terminal: Terminal

    def event(self, event: StoredEvent) -> None:
        self.terminal.json(event.json)

    def delta(self, delta: TextDelta) -> None:
        facts = {"run_id": delta.run_id, "turn_id": delta.turn_id, "text": delta.text}
        self.terminal.json(to_json(facts))


@dataclass
class _Reading:
    """A transcript that grows; text that streams stands where the answer will."""

    terminal: Terminal
    transcript: Transcript
    _streamed: str = ""  # of the turn that streams now
    _attempt: int = 0

    def event(self, event: StoredEvent) -> None:
        if self._streamed:
            self.terminal.line()
        is_shown = bool(self._streamed) and event.data.get("text") == self._streamed
        self._streamed, self._attempt = "", 0
        self.transcript.write(event, without_text=is_shown)

    def delta(self, delta: TextDelta) -> None:
        if self._streamed and delta.attempt != self._attempt:
            self.terminal.line("\n       [the model starts over]")
            self._streamed = ""
        if not self._streamed:
            self.terminal.text(" " * 7)
        self._attempt = delta.attempt
        self._streamed += delta.text
        self.terminal.text(delta.text.replace("\n", "\n" + " " * 7))


async def _follow(run_id: str, after: int, view: _View, *, deltas: bool) -> None:
    async with _news_of_other_processes():
        async for batch in follow_batches(run_id, after, deltas=deltas):
            if not batch:
                await in_database_thread(_require, run_id)
            for item in batch:
                if isinstance(item, TextDelta):
                    view.delta(item)
                else:
                    view.event(item)
            view.terminal.flush()


def _require(run_id: str) -> None:
    if not Run.objects.filter(pk=run_id).exists():
        raise RunNotFound(f"run {run_id} has been deleted")


@asynccontextmanager
async def _news_of_other_processes() -> AsyncIterator[None]:
    """Whoever executes the run is elsewhere: look at its row, and listen where there is a Redis."""
    async with AsyncExitStack() as chores:
        await chores.enter_async_context(meanwhile(watching.watch_rows(hub)))
        if settings.REDIS_URL:
            await chores.enter_async_context(meanwhile(news.Listener(hub, None).run()))
        yield
