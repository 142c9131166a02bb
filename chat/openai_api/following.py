"""Waiting for a completion: the run's text as it comes, then how it ended."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

from chat.answers import Tally
from chat.openai_api.starting import Plan
from project.lib import draining
from project.lib.pool import in_database_thread
from runs.errors import RunsError
from runs.live import TextDelta
from runs.log.events import StoredEvent
from runs.models import Run
from runs.services.lifecycle import cancel_run
from runs.streams import Item, follow_batches

#: How providers' reasons to stop are called here; any other is `stop`.
_FINISH_REASONS = {"max_tokens": "length", "filtered": "content_filter"}


@dataclass(slots=True)
class Answer:
    """What has come of a plan so far."""

    plan: Plan
    run_id: str = ""
    is_own: bool = False
    tally: Tally = field(default_factory=Tally)
    is_settled: bool = False  # it has ended, or waits for a human
    is_awaiting_input: bool = False
    final_text: str = ""  # of a run that completed
    stop_reason: str = ""

    @property
    def text(self) -> str:
        if self.plan.speaks_live:
            return self.tally.text
        return self.tally.question or self.final_text

    @property
    def finish_reason(self) -> str:
        return _FINISH_REASONS.get(self.stop_reason, "stop")

    def add(self, event: StoredEvent) -> None:
        self.tally.add(event)
        if event.kind_name == "AssistantMessageCompleted":
            self.stop_reason = event.data.get("stop_reason", "")
        elif event.kind_name == "InputReceived":
            self.tally.question = ""  # somebody answered while we looked on
        elif event.kind_name == "RunCompleted":
            self.final_text = event.data["final_text"]


async def follow_plan(answer: Answer) -> AsyncGenerator[str, None]:
    """Begin, then pieces of text as they stream. Fills `answer`.

    The first piece is empty: the run has begun. So are later ones where only time has passed. A run
    of its own whose client leaves before it is settled is cancelled: nobody would read it.
    """
    plan = answer.plan

    async def begin() -> None:
        begun = await in_database_thread(plan.begin)
        answer.run_id, answer.is_own = begun.run_id, begun.is_own

    try:
        async with aclosing(
            follow_batches(plan.run_id, plan.after_seq, deltas=plan.speaks_live, begin=begin)
        ) as batches:
            await anext(batches)
            yield ""
            if answer.run_id == plan.run_id:
                async with aclosing(_texts(answer, batches)) as texts:
                    async for text in texts:
                        yield text
        if not answer.is_settled and answer.run_id != plan.run_id:
            # This request was made before, and that run is the answer to both.
            async with (
                aclosing(follow_batches(answer.run_id, deltas=plan.speaks_live)) as batches,
                aclosing(_texts(answer, batches)) as texts,
            ):
                async for text in texts:
                    yield text
        answer.is_settled = True
    finally:
        if not answer.is_settled and answer.is_own and not draining.is_draining():
            await in_database_thread(_cancel, answer.run_id)


async def _texts(
    answer: Answer, batches: AsyncGenerator[list[Item], None]
) -> AsyncGenerator[str, None]:
    voice = _Voice()
    async for batch in batches:
        if not batch:
            if not await in_database_thread(_exists, answer.run_id):
                return
            yield ""
        for item in batch:
            if isinstance(item, TextDelta):
                said = voice.say(item)
            else:
                answer.add(item)
                said = voice.take_in(item) if answer.plan.speaks_live else ""
                if await _is_asking(answer, item):
                    answer.is_settled = answer.is_awaiting_input = True
                    yield said + voice.ask(answer)
                    return
            if said:
                yield said
    if not answer.plan.speaks_live and answer.text:
        yield answer.text


async def _is_asking(answer: Answer, event: StoredEvent) -> bool:
    """Whether the run waits for an answer to this very question."""
    if event.kind_name != "InputRequested":
        return False
    return await in_database_thread(_waits_at, answer.run_id, event.seq)


class _Voice:
    """What a client has heard: every turn of the model once, whatever got lost or was repeated."""

    def __init__(self) -> None:
        self._heard = ""  # of the turn that streams
        self._turn_id = ""
        self._attempt = 0
        self._has_spoken = False  # in an earlier turn

    def say(self, delta: TextDelta) -> str:
        if delta.turn_id != self._turn_id:
            self._turn_id, self._attempt, self._heard = delta.turn_id, delta.attempt, ""
        if delta.attempt != self._attempt:
            return ""  # asked again: what was heard stays, the whole turn tells what is missing
        return self._speak(delta.text)

    def take_in(self, event: StoredEvent) -> str:
        """What of a finished turn was not heard yet."""
        if event.kind_name != "AssistantMessageCompleted" or not event.data.get("text"):
            return ""
        if event.data["turn_id"] != self._turn_id:
            self._heard = ""
        text = event.data["text"]
        if text.startswith(self._heard):
            missing = text[len(self._heard) :]
            said = self._speak(missing) if missing else ""
        else:
            said = f"\n{text}"
        self._has_spoken, self._turn_id, self._heard = True, "", ""
        return said

    def ask(self, answer: Answer) -> str:
        """A question is said, too."""
        said = answer.tally.question
        return f"\n{said}" if self._has_spoken else said

    def _speak(self, text: str) -> str:
        opening = "\n" if self._has_spoken and not self._heard else ""
        self._heard += text
        return opening + text


def _exists(run_id: str) -> bool:
    return Run.objects.filter(pk=run_id).exists()


def _waits_at(run_id: str, seq: int) -> bool:
    return Run.objects.filter(pk=run_id, status=Run.Status.AWAITING_INPUT, head_seq=seq).exists()


def _cancel(run_id: str) -> None:
    run = Run.objects.filter(pk=run_id).first()
    if run is None or run.is_finished:
        return
    try:
        cancel_run(run_id=run_id, actor=run.actor)
    except RunsError:
        return  # it has ended meanwhile
