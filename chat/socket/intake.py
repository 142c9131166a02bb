"""What a socket does in the database: each function is one whole operation in a thread."""

from dataclasses import dataclass

from accounts import capabilities, rate_limits
from accounts.authentication import authenticate_scope
from accounts.errors import AccountsError, RateLimited
from accounts.permissions import authorize
from accounts.principals import Principal
from chat.answers import Begun
from chat.errors import ChatError, OutOfRange
from chat.live_settings import current
from chat.live_settings.groups import MEGABYTE, Attachments, General
from chat.models import Exchange, Session
from chat.services.attachments import Attachment, Rejected, take_in
from chat.services.followups import inject
from chat.services.posting import Incoming, Posted, check_incoming, post_message
from chat.services.sessions import Address, owner_of
from chat.socket.inbound import MessageFrame, ResumeFrame
from runs.errors import RunAlreadyFinished, RunsError
from runs.services.lifecycle import cancel_run
from runs.sockets.connection import Scope
from runs.tools.sandbox import Refused as FileRefused

LEAST_MESSAGE_BYTES = 32 * MEGABYTE


class Declined(Exception):
    """What was asked for is not done. The message is the `error` frame's."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Something said that no run has been started for yet."""

    address: Address
    incoming: Incoming


@dataclass(frozen=True, slots=True)
class Resumption:
    """An answer to go on with, and the exchange that it answers."""

    exchange_id: int
    begun: Begun
    after: int


def admit(scope: Scope) -> tuple[Principal, int]:
    """Who may come in, and how large their messages may be. Raises an `AccountsError`."""
    caller = authenticate_scope(scope)
    authorize(caller, capabilities.CHAT_USE, route=scope["path"])
    return caller, max(2 * current(Attachments).max_file_size, LEAST_MESSAGE_BYTES)


def address_of(frame: MessageFrame, caller: Principal) -> Address:
    owner = owner_of(caller, frame.user_id or "")
    return Address.of(owner, frame.channel_id or "", frame.channel_session_key or "")


def receive(frame: MessageFrame, caller: Principal, client: str) -> tuple[Incoming, list[str], str]:
    """The message with its files stored, what is wrong with some of them, and how follow-ups are
    taken. Raises `Declined`."""
    try:
        rate_limits.spend("write", address=client, principal=caller)
    except RateLimited as error:
        raise Declined(str(error)) from None
    checked = Incoming(frame.text, model=frame.model or "")
    try:
        if frame.text.strip() or not frame.attachments:
            check_incoming(checked)  # before anything is stored for it
        kept: list[Attachment] = []
        complaints: list[str] = []
        uploads = (upload.as_upload() for upload in frame.attachments or ())
        for taken in take_in(uploads, caller=caller):
            if isinstance(taken, Rejected):
                complaints.append(taken.reason)
            else:
                kept.append(taken)
        incoming = Incoming(frame.text, model=frame.model or "", attachments=tuple(kept))
        if not incoming.is_blank:
            check_incoming(incoming)
    except (ChatError, RunsError, FileRefused) as error:
        raise Declined(_told(error)) from None
    return incoming, complaints, current(General).followup_mode


def post(ask: Ask, caller: Principal, *, may_wait: bool) -> Posted:
    """Raises `Declined`."""
    try:
        return post_message(ask.address, ask.incoming, caller=caller, may_wait=may_wait)
    except (ChatError, RunsError, AccountsError) as error:
        raise Declined(_told(error)) from None


def join(ask: Ask, caller: Principal, run_id: str) -> Posted | None:
    """Put it into the run under way; `None` when that takes no more. Raises `Declined`."""
    try:
        return inject(ask.address, ask.incoming, caller=caller, run_id=run_id)
    except (ChatError, RunsError) as error:
        raise Declined(_told(error)) from None


def find_answer(frame: ResumeFrame, caller: Principal) -> Resumption:
    """The answer that a client left. Raises `Declined` for what it may not see."""
    visible = Session.objects.visible_to(caller).filter(pk=frame.session_id)
    if not visible.exists():
        raise Declined("Session not found")
    mine = Exchange.objects.filter(session_id=frame.session_id, run_id=frame.run_id)
    mine = mine.exclude(kind=Exchange.Kind.COMPACTION)
    asked = mine.exclude(kind=Exchange.Kind.INJECTED).filter(after_seq__lte=frame.after)
    exchange = asked.order_by("-after_seq", "-pk").first() or mine.order_by("pk").first()
    if not frame.run_id or exchange is None:
        raise Declined("Run not found")
    begun = Begun(frame.session_id, exchange.run_id, exchange.after_seq)
    return Resumption(exchange.pk, begun, max(frame.after, exchange.after_seq))


def stop(run_id: str, caller: Principal) -> None:
    """End a run of a conversation; one that has ended already is as good."""
    try:
        cancel_run(run_id=run_id, actor=caller.actor)
    except RunAlreadyFinished:
        return


def joined(asks: list[Ask]) -> Ask:
    """Neighbours of one conversation as one message."""
    first = asks[0]
    if len(asks) == 1:
        return first
    texts = [ask.incoming.text for ask in asks if ask.incoming.text.strip()]
    files = tuple(file for ask in asks for file in ask.incoming.attachments)
    incoming = Incoming("\n\n".join(texts), model=first.incoming.model, attachments=files)
    return Ask(first.address, incoming)


def _told(error: Exception) -> str:
    text = str(error)
    if isinstance(error, OutOfRange):
        return f"Invalid message format: {text}"
    return text if text.startswith("Chat error: ") else f"Chat error: {text}"
