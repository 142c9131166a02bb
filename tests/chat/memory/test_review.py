"""The background review: a run of its own, now and then, that keeps what was said."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from accounts.principals import OPEN, Principal, user_principal
from chat.memory.documents import read_document, write_document
from chat.models import Exchange, MemoryDocument
from chat.services import turns
from chat.services.posting import Incoming, post_message
from chat.services.sessions import Address
from project.lib.pool import in_database_thread
from runs.models import Run
from runs.services.lifecycle import cancel_run
from tests.chat.memory.conftest import Configure
from tests.factories import make_user
from tests.runs.engine.conftest import Harness, harness

__all__ = ["harness"]  # the fixture

pytestmark = pytest.mark.django_db(transaction=True)

#: The conversation's run plays it, and so does the review's, which reads it in the transcript.
REMEMBER = '!tool memory_append_daily {"text": "likes tea"}\n!turn\n!say Noted.'


class Conversation:
    """Messages of one session, each answered before the next."""

    def __init__(self, harness: Harness, caller: Principal, owner: str) -> None:
        self.harness = harness
        self.caller = caller
        self.address = Address.of(owner, key="talk")

    async def post(self, text: str) -> int:
        """The exchange that a message became."""
        posted = await in_database_thread(
            post_message, self.address, Incoming(text), caller=self.caller
        )
        return posted.exchange_id

    async def say(self, text: str) -> None:
        await self.until_answered(await self.post(text))

    async def until_answered(self, exchange_id: int) -> None:
        while not await in_database_thread(_is_answered, exchange_id):
            await asyncio.sleep(0.01)
            await in_database_thread(turns.sweep)

    async def reviews(self) -> list[Run]:
        """The reviews so far, ended, oldest first."""
        ids = await in_database_thread(_review_ids)
        return [await self.harness.until(run_id, lambda run: run.is_finished) for run_id in ids]


def _is_answered(exchange_id: int) -> bool:
    return Exchange.objects.get(pk=exchange_id).status == "answered"


def _review_ids() -> list[str]:
    reviews = Run.objects.filter(trigger_source="memory_review").order_by("id")
    return list(reviews.values_list("pk", flat=True))


@pytest.fixture
async def talk(harness: Harness, configure: Configure) -> Callable[..., Any]:
    """A conversation of a new user, reviewed after every two messages."""
    await in_database_thread(configure, "memory", nudge_interval=2)

    async def begin(role: str = "user") -> Conversation:
        user = await in_database_thread(make_user, role=role)
        caller = user_principal(user_id=user.pk, role=role, provider="test")
        return Conversation(harness, caller, user.pk)

    return begin


async def test_after_every_interval_the_newest_messages_are_looked_over(talk):
    conversation = await talk()

    for number in range(1, 6):
        await conversation.say(f"message {number}")

    first, second = await conversation.reviews()
    assert (first.graph_id, first.status, first.priority) == ("memory-review", "done", -50)
    assert first.inputs["transcript"] == (
        "user:\nmessage 1\n\nassistant:\nYou said: message 1\n\n"
        "user:\nmessage 2\n\nassistant:\nYou said: message 2"
    )
    assert "message 3" in second.inputs["transcript"]
    assert "message 2" not in second.inputs["transcript"]


async def test_it_writes_the_memory_of_the_user_as_their_run(talk):
    conversation = await talk()
    owner = conversation.caller.user_id
    await in_database_thread(write_document, owner, "USER.md", "Ada", actor="test")

    await conversation.say("hello")
    await conversation.say(REMEMBER)
    (review,) = await conversation.reviews()

    assert review.creator_id == owner
    assert review.granted == ["chat:use", "memory:write"]
    assert "Ada" in review.inputs["documents"]
    log = await MemoryDocument.objects.aget(owner=owner, name__startswith="memory/")
    assert log.content.count("likes tea") == 2  # the conversation's run, and the review's
    assert log.run_id == review.id


async def test_it_cannot_write_what_is_shared_even_for_an_admin(talk):
    conversation = await talk("admin")

    await conversation.say("hello")
    await conversation.say('!tool memory_write {"file": "SOUL.md", "content": "a"}\n!turn\n!say x')
    (review,) = await conversation.reviews()

    shared = await MemoryDocument.objects.aget(owner="", name="SOUL.md")
    assert shared.run_id != review.id


async def test_where_no_user_is_it_writes_the_memory_of_the_conversation(talk, harness):
    await talk()
    conversation = Conversation(harness, OPEN, "grace")

    await conversation.say("hello")
    await conversation.say(REMEMBER)
    await conversation.reviews()

    owners = {document.owner async for document in MemoryDocument.objects.all()}
    assert owners == {"grace"}


async def test_there_is_none_when_it_is_switched_off_or_nothing_may_be_written(talk, configure):
    analyst = await talk("analyst")  # may chat, and write no memory
    await analyst.say("one")
    await analyst.say("two")
    await in_database_thread(configure, "memory", nudge_interval=0)
    user = await talk()
    await user.say("one")
    await user.say("two")

    assert await user.reviews() == []


async def test_a_full_queue_puts_it_off_until_the_next_message(talk, harness, settings):
    conversation = await talk()
    await conversation.say("one")
    exchange_id = await conversation.post("!sleep 0.5\n!say two")
    # More than the engine's eight workers take, also when the conversation's run has ended.
    others = [await harness.submit("!sleep 60") for _ in range(9)]

    settings.STARPORT_QUEUE = 1
    await conversation.until_answered(exchange_id)
    put_off = await conversation.reviews()
    settings.STARPORT_QUEUE = 100
    for run_id in others:
        await in_database_thread(cancel_run, run_id=run_id, actor="test")
    await conversation.say("three")

    assert put_off == []
    (review,) = await conversation.reviews()
    assert review.inputs["transcript"].count("user:") == 3


async def test_a_model_that_is_not_there_costs_the_conversation_nothing(talk, configure, caplog):
    conversation = await talk()
    await in_database_thread(configure, "memory", nudge_interval=1, nudge_model="nowhere/nothing")

    await conversation.say("one")

    assert await conversation.reviews() == []
    assert "a conversation could not be reviewed" in caplog.messages


async def test_a_new_user_gets_the_templates_of_their_documents_once(talk):
    conversation = await talk()
    owner = conversation.caller.user_id

    await conversation.say("hello")
    await in_database_thread(write_document, owner, "MEMORY.md", "mine", actor="test")
    conversation.address = Address.of(owner, key="another talk")
    await conversation.say("hello again")

    assert (await in_database_thread(read_document, owner, "USER.md")).startswith("# About")
    assert await in_database_thread(read_document, owner, "MEMORY.md") == "mine"
