"""Waiting for an answer: an exchange from its beginning to its settlement, as it happens.

HTTP, the socket, Telegram and the OpenAI-compatible API all answer with what comes out of here.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any

from chat import live
from chat.models import Exchange
from project.lib.pool import in_database_thread
from runs.errors import SpendingLimitReached
from runs.live import TextDelta
from runs.log.events import StoredEvent
from runs.models import Run
from runs.streams import follow_batches


@dataclass(frozen=True, slots=True)
class Begun:
    """The exchange was taken up by a run; what follows is of that run."""

    session_id: str
    run_id: str
    after_seq: int = 0  # the head of its log before


@dataclass(frozen=True, slots=True)
class Refused:
    """No run could be started for it."""

    session_id: str
    error: str
    code: str


@dataclass(frozen=True, slots=True)
class Settled:
    """The run has ended, or waits for a human. `after_seq` was the head when the exchange began."""

    session_id: str
    run_id: str
    last_seq: int
    is_awaiting_input: bool


ATTACH = "attach"  # the tool whose results are delivered with the answer

AnswerItem = Begun | Refused | TextDelta | StoredEvent | Settled


async def follow_answer(
    exchange_id: int, *, deltas: bool = False, after: int | None = None
) -> AsyncGenerator[AnswerItem, None]:
    """`Begun`, then the run's events (and text as it streams), then `Settled`; or `Refused` alone.

    `after` is the last seq that a client has seen of the run already, on coming back.
    """
    async with aclosing(answer_batches(exchange_id, deltas=deltas, after=after)) as batches:
        async for batch in batches:
            for item in batch:
                yield item


async def answer_batches(
    exchange_id: int,
    *,
    deltas: bool = False,
    after: int | None = None,
    begun: Begun | None = None,
    catch_up: bool = False,
) -> AsyncGenerator[list[AnswerItem], None]:
    """`follow_answer`, with everything that is ready at a time in one list.

    Who knows how the exchange began says so: its row need not be read before its text is awaited.
    With `catch_up` text that streams already comes from its beginning, see `runs.live.Hub.watch`.
    """
    if begun is None:
        exchange = await _when_begun(exchange_id)
        if exchange.status == Exchange.Status.REFUSED:
            yield [Refused(exchange.session_id, exchange.error, exchange.error_code)]
            return
        begun = Begun(exchange.session_id, exchange.run_id, exchange.after_seq)
    yield [begun]
    run_id, seq = begun.run_id, max(begun.after_seq, after or 0)
    is_asking = False
    async with aclosing(follow_batches(run_id, seq, deltas=deltas, catch_up=catch_up)) as batches:
        async for batch in batches:
            if not batch and not await in_database_thread(_goes_on, run_id, seq):
                break
            answer: list[AnswerItem] = []
            for item in batch:
                answer.append(item)
                if isinstance(item, StoredEvent):
                    seq = item.seq
                    # The question that this exchange answers lies before it.
                    if item.kind_name == "InputRequested":
                        is_asking = await in_database_thread(_asks, run_id, seq)
            if answer:
                yield answer
            if is_asking:
                break
    yield [Settled(begun.session_id, run_id, seq, is_asking)]


async def when_settled(exchange_id: int, run_id: str) -> Exchange:
    """The exchange once `run_id` is through with it: answered, or to be taken up by another run."""
    with live.watching(exchange_id) as changed:
        while True:
            changed.clear()
            exchange = await in_database_thread(Exchange.objects.get, pk=exchange_id)
            if exchange.run_id != run_id or exchange.status != Exchange.Status.RUNNING:
                return exchange
            with suppress(TimeoutError):
                async with asyncio.timeout(live.REREAD_SECONDS):
                    await changed.wait()


async def _when_begun(exchange_id: int) -> Exchange:
    with live.watching(exchange_id) as changed:
        while True:
            changed.clear()
            exchange = await in_database_thread(Exchange.objects.get, pk=exchange_id)
            if exchange.run_id or exchange.status != Exchange.Status.WAITING:
                return exchange
            with suppress(TimeoutError):
                async with asyncio.timeout(live.REREAD_SECONDS):
                    await changed.wait()


def _asks(run_id: str, seq: int) -> bool:
    """Whether the run still waits for the answer to that question."""
    return Run.objects.filter(pk=run_id, status=Run.Status.AWAITING_INPUT, head_seq=seq).exists()


def _goes_on(run_id: str, seq: int) -> bool:
    """Whether there is still a run to follow: it was pruned, or its log breaks off."""
    run = Run.objects.filter(pk=run_id).first()
    return run is not None and not (run.is_finished and run.head_seq <= seq)


# --- The whole answer -------------------------------------------------------------------------


@dataclass(slots=True)
class Tally:
    """What an answer's events add up to."""

    texts: list[str] = field(default_factory=list)
    tool_turns: int = 0
    input_tokens: int = 0  # cached ones included
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float = 0.0
    error: str = ""
    error_type: str = ""
    is_cancelled: bool = False
    question: str = ""  # when it ends by asking
    artifacts: list[dict[str, Any]] = field(default_factory=list)  # what `attach` returned
    _attaching: set[str] = field(default_factory=set)  # calls of `attach`

    @property
    def text(self) -> str:
        """All that was said; a question is said, too."""
        return "\n".join([*self.texts, *([self.question] if self.question else [])])

    @property
    def is_over_spending_limit(self) -> bool:
        """Stopped by what its user or key may spend, not by a budget of its own."""
        return self.error_type == "budget" and self.error.startswith(str(SpendingLimitReached()))

    @property
    def uncached_input_tokens(self) -> int:
        return max(0, self.input_tokens - self.cache_read_tokens - self.cache_write_tokens)

    def add(self, event: StoredEvent) -> None:
        data = event.data
        match event.kind_name:
            case "AssistantMessageCompleted":
                self._add_answer(data)
            case "ToolCallCompleted" if data.get("call_id") in self._attaching:
                self.artifacts.append(data["result"])
            case "InputRequested":
                self.question = data["prompt"]
            case "RunFailed":
                self.error, self.error_type = data["error"], data["error_type"]
            case "RunCancelled":
                self.is_cancelled = True

    def add_all(self, events: Iterable[StoredEvent]) -> "Tally":
        for event in events:
            self.add(event)
        return self

    def _add_answer(self, data: dict[str, Any]) -> None:
        if data["text"]:
            self.texts.append(data["text"])
        uses = data.get("tool_uses") or ()
        self.tool_turns += bool(uses)
        self._attaching.update(use["call_id"] for use in uses if use["tool"] == ATTACH)
        self.input_tokens += data["input_tokens"]
        self.output_tokens += data["output_tokens"]
        self.cache_read_tokens += data.get("cache_read_tokens", 0)
        self.cache_write_tokens += data.get("cache_create_tokens", 0)
        self.cost_usd += data["cost_usd"]
