"""Answers that chats are owed: stored with the message, sent as they come, marked when sent."""

from collections.abc import Sequence

from django.utils import timezone

from accounts.principals import Principal
from chat.models import Exchange, Session, TelegramReply
from chat.services.posting import Incoming, post_message
from chat.services.sessions import PSEUDO_OWNERS, Address
from chat.telegram.bot_api import File
from project.lib.db import write_transaction
from runs import artifacts
from runs.models import ArtifactRef, Run
from runs.services.starting import Idempotency

CHANNEL = "telegram"
MAX_FILE_BYTES = 20 * 1_048_576


def take_in(
    chat_id: int, owner: str, incoming: Incoming, *, caller: Principal, update_id: int, bot_id: int
) -> int | None:
    """Store a message and the reply it is owed; the exchange, or `None` if it was known already.

    Telegram delivers again what was not acknowledged: the same update is one message.
    """
    address = Address.of(owner, CHANNEL, str(chat_id))
    return _post(chat_id, address, incoming, caller, f"{bot_id}:{update_id}")


def answer_question(
    chat_id: int, run_id: str, text: str, *, caller: Principal, query_id: str
) -> int | None:
    """Give the answer of a button to the run that asks, in whatever session it asked.

    `None` when it does not ask any more.
    """
    exchange = Exchange.objects.filter(run_id=run_id).order_by("-id").first()
    session = exchange.session if exchange is not None else None
    is_asking = Run.objects.filter(pk=run_id, status=Run.Status.AWAITING_INPUT).exists()
    if session is None or not is_asking or session.owner not in (caller.user_id, *_SHARED):
        return None
    if session.owner in _SHARED and caller.role != "admin":
        return None
    address = Address(session.owner, session.channel, session.key)
    return _post(chat_id, address, Incoming(text, trigger_source=CHANNEL), caller, query_id)


#: Whose sessions belong to no user; administrators answer there.
_SHARED = PSEUDO_OWNERS


def owed() -> Sequence[TelegramReply]:
    """What was not sent, or not all of it, when the bot stopped."""
    return list(TelegramReply.objects.filter(sent_at__isnull=True).order_by("exchange_id"))


def note_sent(exchange_id: int, seq: int) -> None:
    """All that the log has up to `seq` is with the reader."""
    TelegramReply.objects.filter(pk=exchange_id, sent_seq__lt=seq).update(sent_seq=seq)


def close(exchange_id: int) -> None:
    TelegramReply.objects.filter(pk=exchange_id).update(sent_at=timezone.now())


def newest_session(owner: str, chat_id: int) -> Session | None:
    return Session.objects.filter(
        owner=owner, channel=CHANNEL, key=str(chat_id), is_closed=False
    ).first()


def running_run(session: Session) -> str:
    """The run that works for a session now; empty when none does."""
    running = session.exchanges.filter(status=Exchange.Status.RUNNING).order_by("-id").first()
    return running.run_id if running is not None else ""


def asking_run(session_id: str) -> Run | None:
    """The run of a session that waits for a human."""
    answering = Exchange.objects.filter(session_id=session_id).exclude(run_id="")
    exchange = answering.exclude(kind=Exchange.Kind.COMPACTION).order_by("id").last()
    if exchange is None:
        return None
    return Run.objects.filter(pk=exchange.run_id, status=Run.Status.AWAITING_INPUT).first()


def attached_file(run_id: str, artifact_id: str) -> File | None:
    """What the run attached; `None` when it is gone."""
    refs = ArtifactRef.objects.filter(run_id=run_id, digest__startswith=artifact_id)
    ref = refs.first()
    if ref is None or ref.size > MAX_FILE_BYTES:
        return None
    return File(ref.name, ref.content_type, artifacts.get(ref.digest))


def _post(
    chat_id: int, address: Address, incoming: Incoming, caller: Principal, key: str
) -> int | None:
    idempotency = Idempotency(CHANNEL, key, {"text": incoming.text})
    with write_transaction():
        posted = post_message(address, incoming, caller=caller, idempotency=idempotency)
        if posted.is_replay:
            return None
        TelegramReply.objects.create(exchange_id=posted.exchange_id, chat_id=chat_id)
    return posted.exchange_id
