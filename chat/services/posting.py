"""Taking in a message: check, store, and start what answers it. What is stored is never lost."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import IntegrityError
from django.utils import timezone

from accounts.principals import Principal
from chat.errors import (
    IdempotencyConflict,
    ModelNotAllowed,
    ModelWithoutProvider,
    OutOfRange,
)
from chat.live_settings import current
from chat.live_settings.groups import General
from chat.memory.context import system_prompt
from chat.models import Exchange, Message, Session
from chat.services import turns
from chat.services.attachments import Attachment
from chat.services.sessions import Address, open_session, title_of
from chat.services.transcripts import mirror_open_run
from project.lib.db import write_transaction
from runs.errors import ModelNotFound
from runs.log.redaction import redact_text
from runs.providers.registry import configured_models, missing_key_of, parse_model_name
from runs.services.starting import Idempotency
from runs.storable import NUL

TEXT_CHARS = 1_000_000


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message as it came in on some channel. An empty `model` is the default one."""

    text: str
    model: str = ""
    attachments: tuple[Attachment, ...] = field(default=())
    trigger_source: str = "chat"
    triggered_by: str = ""  # a cron job's name

    @property
    def is_blank(self) -> bool:
        return not self.text.strip() and not self.attachments


@dataclass(frozen=True, slots=True)
class Posted:
    """The exchange that a message became; `is_replay` when its key had been used for it before."""

    exchange_id: int
    session_id: str
    is_replay: bool = False
    run_id: str = ""  # empty while it waits for those before it
    after_seq: int = 0


def post_message(
    address: Address,
    incoming: Incoming,
    *,
    caller: Principal,
    idempotency: Idempotency | None = None,
    may_wait: bool = False,
) -> Posted:
    """Store a message and take it up, at once or after those before it in its session.

    With `may_wait` it is kept even if no run can be started for it now. When the session's run
    waits for a human, the message is the answer. Raises `OutOfRange` for a blank text,
    `ModelNotAllowed`, `ModelWithoutProvider`, `IdempotencyConflict`, what
    `runs.services.starting.start_run` raises, and `InvalidInput` for an answer that does not fit
    the question; then nothing is stored.
    """
    check_incoming(incoming)
    if idempotency is not None and (first := _first(idempotency)) is not None:
        return first
    try:
        with write_transaction():
            session = open_session(address, triggered_by=incoming.triggered_by)
            exchange = store_exchange(session, incoming, caller, **_identity(idempotency))
            turns.take_up(session, told=None if may_wait else exchange.pk)
            begun = Exchange.objects.only("run_id", "after_seq").get(pk=exchange.pk)
    except ModelNotFound as error:
        raise _without_provider(incoming.model, error) from None
    except IntegrityError:
        # A twin of this request won the race for the key.
        first = _first(idempotency) if idempotency is not None else None
        if first is None:
            raise
        return first
    return Posted(exchange.pk, session.pk, run_id=begun.run_id, after_seq=begun.after_seq)


def allowed_models() -> list[str]:
    """What messages may ask for, in wire form, the default first."""
    return list(dict.fromkeys(map(_wire_name, shown_models())))


def shown_models() -> list[str]:
    """The same as somebody wrote them down, with other names of providers perhaps."""
    return list(current(General).models) or configured_models()


def check_incoming(incoming: Incoming) -> None:
    """Raises `OutOfRange` or `ModelNotAllowed`."""
    if incoming.is_blank:
        raise OutOfRange("text must not be blank", field="text")
    if len(incoming.text) > TEXT_CHARS:
        raise OutOfRange(f"text must have at most {TEXT_CHARS} characters", field="text")
    if NUL in incoming.text:
        raise OutOfRange("text must not contain NUL characters", field="text")
    if incoming.model and _wire_name(incoming.model) not in allowed_models():
        raise ModelNotAllowed(incoming.model[:100])


def _without_provider(model: str, error: ModelNotFound) -> ModelWithoutProvider:
    model = model or allowed_models()[0]
    variables = missing_key_of(model)
    if not variables:
        return ModelWithoutProvider(str(error))
    provider_id = parse_model_name(model).provider_id
    return ModelWithoutProvider(
        f"No API key found for provider '{provider_id}': {variables} is not set"
    )


def _wire_name(model: str) -> str:
    return str(parse_model_name(model))


def store_exchange(
    session: Session, incoming: Incoming, caller: Principal, **fields: Any
) -> Exchange:
    """What was said, as a row of the session and of its transcript. The caller holds its lock."""
    text = redact_text(incoming.text)
    if session.message_count == 0:
        session.title = title_of(text)
        session.context = system_prompt(session.owner)
    session.message_count += 1
    session.last_message_at = timezone.now()
    session.save(update_fields=["title", "context", "message_count", "last_message_at"])
    exchange = Exchange.objects.create(
        session=session,
        text=text,
        model=_wire_name(incoming.model) if incoming.model else "",
        attachments=[item.as_map() for item in incoming.attachments],
        trigger_source=incoming.trigger_source,
        user_id=caller.user_id or "",
        actor=caller.actor,
        granted=sorted(caller.capabilities),
        api_key_id=caller.api_key_id or "",
        **fields,
    )
    mirror_open_run(session)  # what its run has said so far stands before what is said now
    Message.objects.create(
        session=session,
        role=Message.Role.USER,
        content=text,
        exchange=exchange,
        timestamp=session.last_message_at,
    )
    return exchange


def _identity(idempotency: Idempotency | None) -> Mapping[str, Any]:
    if idempotency is None:
        return {}
    return {
        "idempotency_scope": idempotency.stored_scope,
        "idempotency_key": idempotency.stored_key,
        "body_hash": idempotency.body_hash,
    }


def _first(idempotency: Idempotency) -> Posted | None:
    exchange = Exchange.objects.under_key(idempotency.stored_scope, idempotency.stored_key)
    if exchange is None:
        return None
    if bytes(exchange.body_hash or b"") != idempotency.body_hash:
        raise IdempotencyConflict("this Idempotency-Key was used with another body")
    return Posted(exchange.pk, exchange.session_id, is_replay=True)
