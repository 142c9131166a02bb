"""The bot: polls for what people write, stores it, and sees that each message is answered.

An update is acknowledged once it is stored, so a crash loses none; what was stored twice is one
message, and replies that were not sent are sent at the next start.
"""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any

from accounts import capabilities
from accounts.errors import AccountsError
from chat.errors import ChatError
from chat.live_settings import current
from chat.live_settings.groups import Attachments, General
from chat.notifications import Notification, listening
from chat.services.attachments import Attachment, store
from chat.services.posting import Incoming
from chat.services.responses import choices_of
from chat.services.sessions import close_session
from chat.telegram import delivery, people, replies
from chat.telegram.bot_api import BotApi, BotApiError
from chat.telegram.files import FileSent, checked, files_of
from project.lib.pool import in_database_thread
from runs.errors import RunsError
from runs.services.lifecycle import cancel_run

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
#: Telegram refuses a second poller; whoever is refused waits until the other is gone.
CONFLICT_SECONDS = 20.0
MAX_REPLIES = 200  # under way at a time

NOT_LINKED = (
    "Your Telegram account is not linked. Ask your admin to link it, or send /start to see your "
    "Telegram ID."
)
NO_SENDER = "Could not determine your Telegram ID."
NOT_ALLOWED = "Your role may not chat. Ask your admin."
TRY_LATER = "Authentication error. Please try again later."
FRESH = "This is a new conversation."
NOTHING_TO_STOP = "There is nothing to stop."
SETTLED = "That question is settled already."


class Bot:
    """One bot, polling until it is cancelled."""

    def __init__(self, api: BotApi) -> None:
        self._api = api
        self._id = 0
        self._offset: int | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(MAX_REPLIES)
        self._loop = asyncio.get_running_loop()

    async def run(self) -> None:
        with listening(self._hear):
            try:
                await self._begin()
                await self._poll()
            finally:
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _begin(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._id:
            try:
                self._id = int((await self._api.get_me())["id"])
            except BotApiError as error:
                logger.warning("the bot cannot begin: %s", error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        for owed in await in_database_thread(replies.owed):
            self._reply(owed.chat_id, owed.pk, after=owed.sent_seq)

    async def _poll(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                updates = await self._api.get_updates(self._offset)
                for update in updates:
                    await self._take(update)
                    self._offset = int(update["update_id"]) + 1
                pause = FIRST_PAUSE_SECONDS
            except BotApiError as error:
                logger.warning("polling failed: %s", error)
                await asyncio.sleep(CONFLICT_SECONDS if error.status == 409 else pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _take(self, update: dict[str, Any]) -> None:
        """Never raises for what somebody sent: the next update must get through."""
        try:
            if isinstance(query := update.get("callback_query"), dict):
                await self._take_press(query)
            elif isinstance(message := update.get("message"), dict):
                await self._take_message(message, int(update["update_id"]))
        except BotApiError as error:
            logger.warning("an update could not be answered: %s", error)
        except Exception:
            logger.exception("an update could not be taken in")

    # Messages

    async def _take_message(self, message: dict[str, Any], update_id: int) -> None:
        chat_id = _private_chat(message)
        if chat_id is None:
            return
        text = str(message.get("text") or message.get("caption") or "")
        command = _command(text)
        if command == "start":
            name = (await in_database_thread(current, General)).agent_name
            await delivery.say(self._api, chat_id, people.greeting(message, name))
            return
        sender = await self._sender(chat_id, message)
        if sender is None:
            return
        if command == "new":
            await in_database_thread(_begin_anew, sender.user_id, chat_id)
            await delivery.say(self._api, chat_id, FRESH)
        elif command == "stop":
            # The answer that is cut off says so itself.
            if not await in_database_thread(_stop, sender, chat_id):
                await delivery.say(self._api, chat_id, NOTHING_TO_STOP)
        else:
            await self._take_words(chat_id, sender, text, files_of(message), update_id)

    async def _sender(self, chat_id: int, message: dict[str, Any]) -> people.Sender | None:
        """Who writes, if they may; they are told when not."""
        origin = message.get("from")
        if not isinstance(origin, dict) or not isinstance(origin.get("id"), int):
            await delivery.say(self._api, chat_id, NO_SENDER)
            return None
        try:
            sender = await in_database_thread(
                people.find_sender, origin["id"], str(origin.get("username") or "")
            )
        except Exception:
            logger.exception("a sender could not be identified")
            await delivery.say(self._api, chat_id, TRY_LATER)
            return None
        if sender is None:
            await delivery.say(self._api, chat_id, NOT_LINKED)
            return None
        if not sender.principal.can(capabilities.CHAT_USE):
            await delivery.say(self._api, chat_id, NOT_ALLOWED)
            return None
        return sender

    async def _take_words(
        self,
        chat_id: int,
        sender: people.Sender,
        text: str,
        sent: list[FileSent],
        update_id: int,
    ) -> None:
        attachments = await self._attachments(chat_id, sender, sent)
        if not text.strip() and not attachments:
            return
        incoming = Incoming(text, attachments=attachments, trigger_source=replies.CHANNEL)
        try:
            exchange_id = await in_database_thread(
                replies.take_in,
                chat_id,
                sender.user_id,
                incoming,
                caller=sender.principal,
                update_id=update_id,
                bot_id=self._id,
            )
        except (ChatError, RunsError, AccountsError) as error:
            await delivery.say(self._api, chat_id, f"{delivery.REFUSED}{error}")
            return
        if exchange_id is not None:
            self._reply(chat_id, exchange_id)

    async def _attachments(
        self, chat_id: int, sender: people.Sender, sent: list[FileSent]
    ) -> tuple[Attachment, ...]:
        """Downloaded only now that the sender is known. What is not taken, they are told."""
        taken = []
        settings = await in_database_thread(current, Attachments)
        for file in sent:
            complaint = checked(file, settings)
            if complaint is None:
                try:
                    data = await self._api.download(file.file_id, settings.max_file_size)
                except BotApiError as error:
                    complaint = f"File '{file.name}' could not be downloaded ({error})"
                else:
                    kept = await in_database_thread(
                        store, file.name, file.mime_type, data, caller=sender.principal
                    )
                    taken.append(kept)
            if complaint is not None:
                await delivery.say(self._api, chat_id, complaint)
        return tuple(taken)

    # Buttons

    async def _take_press(self, query: dict[str, Any]) -> None:
        """Somebody pressed a button below a question."""
        chat_id, message_id = _place_of(query)
        origin = query.get("from") or {}
        parts = str(query.get("data") or "").split(":")
        if chat_id is None or len(parts) != 4 or parts[0] != "r":
            await self._api.answer_callback(str(query.get("id")), SETTLED)
            return
        sender = await in_database_thread(
            people.find_sender, int(origin.get("id") or 0), str(origin.get("username") or "")
        )
        exchange_id = None
        if sender is not None and sender.principal.can(capabilities.CHAT_USE):
            exchange_id = await in_database_thread(
                _answer, sender, chat_id, parts[1], parts[2], parts[3], str(query.get("id"))
            )
        said = "" if exchange_id is not None else SETTLED
        with contextlib.suppress(BotApiError):
            await self._api.answer_callback(str(query.get("id")), said)
            await self._api.remove_buttons(chat_id, message_id)
        if exchange_id is not None:
            self._reply(chat_id, exchange_id)

    # Replies and notifications

    def _reply(self, chat_id: int, exchange_id: int, *, after: int = 0) -> None:
        self._start(delivery.Delivery(self._api, chat_id, exchange_id, after=after).run())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        async with self._slots:
            try:
                await work
            except BotApiError as error:
                logger.warning("a message could not be sent: %s", error)
            except Exception:
                logger.exception("a reply failed")

    def _hear(self, notification: Notification) -> None:
        """From any thread. Of what goes well with instances nobody wants a message."""
        if notification.capability and notification.success:
            return
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(lambda: self._start(self._tell(notification)))

    async def _tell(self, notification: Notification) -> None:
        chats = await in_database_thread(people.chats_of, notification.owner)
        question = await in_database_thread(_question_in, notification.session_id)
        mark = "✅" if notification.success else "❌"
        text = f"{mark} {notification.job_name}\n{notification.result_preview}".strip()
        for chat_id in chats:
            await delivery.say(self._api, chat_id, text)
            if question is not None:
                await delivery.ask(self._api, chat_id, question)


def _command(text: str) -> str:
    """`start` of `/start`, `/start payload` and `/start@thebot`; empty for what is no command."""
    first = text.split(maxsplit=1)[0] if text.strip() else ""
    if not first.startswith("/"):
        return ""
    name = first[1:].partition("@")[0].lower()
    return name if name in ("start", "new", "stop") else ""


def _private_chat(message: dict[str, Any]) -> int | None:
    """The chat, when there is nobody in it but one person and the bot."""
    chat = message.get("chat")
    if not isinstance(chat, dict) or chat.get("type") != "private":
        return None
    chat_id = chat.get("id")
    return chat_id if isinstance(chat_id, int) else None


def _place_of(query: dict[str, Any]) -> tuple[int | None, int]:
    """Where the button was: chat and message."""
    message = query.get("message")
    if not isinstance(message, dict):
        return None, 0
    return _private_chat(message), int(message.get("message_id") or 0)


def _begin_anew(owner: str, chat_id: int) -> None:
    session = replies.newest_session(owner, chat_id)
    if session is not None:
        close_session(session, "Closed by /new")


def _stop(sender: people.Sender, chat_id: int) -> bool:
    session = replies.newest_session(sender.user_id, chat_id)
    run_id = replies.running_run(session) if session is not None else ""
    if not run_id:
        return False
    try:
        cancel_run(run_id=run_id, actor=sender.principal.actor)
    except RunsError:
        return False
    return True


def _answer(
    sender: people.Sender, chat_id: int, run_id: str, seq: str, index: str, query_id: str
) -> int | None:
    """The exchange that the pressed answer became; `None` when the question is settled."""
    question = delivery.question_of(run_id)
    if question is None or str(question.seq) != seq or not index.isdecimal():
        return None
    choices = choices_of(question.data.get("schema"))
    if int(index) >= len(choices):
        return None
    try:
        return replies.answer_question(
            chat_id,
            run_id,
            choices[int(index)].text,
            caller=sender.principal,
            query_id=query_id,
        )
    except (ChatError, RunsError, AccountsError):
        return None


def _question_in(session_id: str) -> Any:
    run = replies.asking_run(session_id) if session_id else None
    return delivery.question_of(run.pk) if run is not None else None
