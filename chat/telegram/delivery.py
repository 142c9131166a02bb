"""Sending an answer into a chat, as its run says it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Any

from chat.answers import Refused, Settled, follow_answer
from chat.live_settings import current
from chat.live_settings.groups import Telegram
from chat.models import Exchange
from chat.services.responses import choices_of
from chat.telegram import replies
from chat.telegram.bot_api import BotApi, BotApiError
from chat.telegram.formatting import split, to_html
from project.lib.pool import in_database_thread
from project.lib.tasks import meanwhile
from runs.log.events import StoredEvent
from runs.log.read import read_heads
from runs.models import Run

logger = logging.getLogger(__name__)

TYPING_SECONDS = 4.0
#: How often a message is sent again that Telegram had no room for.
TRIES = 5
NOTHING = "(no response)"
FAILED = "Sorry, an error occurred."
REFUSED = "Sorry, I cannot take that now: "


class Delivery:
    """One reply: from the exchange to the messages of the chat."""

    def __init__(self, api: BotApi, chat_id: int, exchange_id: int, *, after: int = 0) -> None:
        self._api = api
        self._chat_id = chat_id
        self._exchange_id = exchange_id
        self._after = after
        self._texts: list[str] = []
        self._files: list[str] = []  # ids of artifacts
        self._has_sent = after > 0
        self._run_id = ""
        self._failure = ""

    async def run(self) -> None:
        """Send everything. What fails to be sent is owed still, and tried at the next start."""
        settings = await in_database_thread(current, Telegram)
        sends_all = settings.stream_mode == "all_messages"
        async with meanwhile(self._show_typing()):
            answer = follow_answer(self._exchange_id, after=self._after or None)
            async with aclosing(answer) as items:
                async for item in items:
                    match item:
                        case Refused():
                            self._failure = f"{REFUSED}{item.error}"
                        case StoredEvent():
                            await self._take(item, sends_all=sends_all)
                        case Settled():
                            self._run_id = item.run_id
        await self._finish()
        await in_database_thread(replies.close, self._exchange_id)

    async def _take(self, event: StoredEvent, *, sends_all: bool) -> None:
        data = event.data
        match event.kind_name:
            case "AssistantMessageCompleted" if data["text"].strip():
                if not sends_all:
                    self._texts = [data["text"]]
                    return
                await self._say(data["text"])
                await in_database_thread(replies.note_sent, self._exchange_id, event.seq)
            case "InputRequested":
                self._texts = []
                await ask(self._api, self._chat_id, event)
                self._has_sent = True
            case "ToolCallCompleted":
                result = data["result"]
                if isinstance(result, dict) and "artifact_id" in result:
                    self._files.append(str(result["artifact_id"]))
            case "RunFailed":
                self._failure = FAILED
            case "RunCancelled":
                self._failure = "Stopped."

    async def _finish(self) -> None:
        for text in self._texts:
            await self._say(text)
        for artifact_id in dict.fromkeys(self._files):
            await self._send_file(artifact_id)
        if self._failure:
            await self._say(self._failure)
        elif not self._has_sent:
            await self._say(NOTHING)

    async def _say(self, text: str) -> None:
        await say(self._api, self._chat_id, text)
        self._has_sent = True

    async def _send_file(self, artifact_id: str) -> None:
        run_id = self._run_id or await in_database_thread(_run_of, self._exchange_id)
        file = await in_database_thread(replies.attached_file, run_id, artifact_id)
        if file is None:
            return
        await patiently(lambda: self._api.send_file(self._chat_id, file))
        self._has_sent = True

    async def _show_typing(self) -> None:
        while True:
            with suppress(BotApiError):
                await self._api.send_typing(self._chat_id)
            await asyncio.sleep(TYPING_SECONDS)


async def say(api: BotApi, chat_id: int, text: str, **extra: Any) -> None:
    """Markdown, in as many messages as it takes; `extra` goes with the last of them."""
    pieces = split(text)
    for number, piece in enumerate(pieces, 1):
        await _say_piece(api, chat_id, piece, **(extra if number == len(pieces) else {}))


async def ask(api: BotApi, chat_id: int, event: StoredEvent) -> None:
    """A question of a run, with a button for each answer where there are only a few."""
    choices = choices_of(event.data.get("schema"))
    buttons = [
        [{"text": choice.label[:64], "callback_data": f"r:{event.run_id}:{event.seq}:{index}"}]
        for index, choice in enumerate(choices)
    ]
    extra = {"reply_markup": {"inline_keyboard": buttons}} if buttons else {}
    await say(api, chat_id, event.data["prompt"], **extra)


async def patiently(call: Callable[[], Awaitable[object]]) -> None:
    """Call again what Telegram had no room for, when it says that there will be."""
    for attempt in range(TRIES):
        try:
            await call()
            return
        except BotApiError as error:
            is_temporary = error.status in (0, 429) or error.status >= 500
            if not is_temporary or attempt == TRIES - 1:
                raise
            await asyncio.sleep(error.retry_after or 2.0**attempt)


async def _say_piece(api: BotApi, chat_id: int, piece: str, **extra: Any) -> None:
    try:
        await patiently(
            lambda: api.send_message(chat_id, to_html(piece), parse_mode="HTML", **extra)
        )
    except BotApiError as error:
        if error.status != 400:
            raise
        # Telegram did not like the HTML: the source is readable, too.
        await patiently(lambda: api.send_message(chat_id, piece, **extra))


def _run_of(exchange_id: int) -> str:
    return Exchange.objects.values_list("run_id", flat=True).get(pk=exchange_id)


def question_of(run_id: str) -> StoredEvent | None:
    """The open question of a run, if it has one."""
    if not Run.objects.filter(pk=run_id, status=Run.Status.AWAITING_INPUT).exists():
        return None
    event = read_heads([run_id]).get(run_id)
    return event if event is not None and event.kind_name == "InputRequested" else None
