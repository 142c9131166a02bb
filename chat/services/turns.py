"""Whose turn it is in a session: exchanges are taken up one after the other.

The session's row lock is what makes this one at a time; `exchange_one_running` would refuse a
second. A run that has ended, or asks something, makes way for the next exchange: at once where its
end is noticed, otherwise when the sweep or the next message comes by.
"""

import logging
from typing import Any

from django.db import models, transaction

from accounts.principals import Principal
from chat import live
from chat.live_settings import current
from chat.live_settings.groups import General
from chat.memory.review import review_if_due
from chat.models import Exchange, Session
from chat.services.attribution import caller_of
from chat.services.compaction import begin_compaction, compacted
from chat.services.history import newest_answering, opening_of
from chat.services.images import PromptImages
from chat.services.injected import settle_injected
from chat.services.prompts import prompt_of
from chat.services.responses import response_of
from chat.services.transcripts import mirror_run
from project.lib.db import write_transaction
from runs.errors import (
    InvalidInput,
    QueueFull,
    RunNotWaiting,
    RunsError,
    ShuttingDown,
    SpendingLimitReached,
)
from runs.log.read import read_heads
from runs.models import Run
from runs.services.lifecycle import respond
from runs.services.starting import StartRequest, start_run

logger = logging.getLogger(__name__)

CHAT_GRAPH = "chat"
#: Why a message is not taken up now, though nothing is wrong with it.
_LATER = (QueueFull, ShuttingDown)

#: Where messages come from that no person sends.
_UNATTENDED = ("cron", "boot")

_OPEN = (Exchange.Status.WAITING, Exchange.Status.RUNNING)


def take_up(session: Session, *, told: int | None = None) -> None:
    """Begin the oldest exchange that waits, if the one before it is answered.

    The caller holds the session's row lock. `told` is the exchange of somebody who is there to be
    told: what makes that one impossible is raised. Others are refused on record, or wait.
    """
    while _settle(session):
        exchange = session.exchanges.filter(status=Exchange.Status.WAITING).order_by("id").first()
        if exchange is None:
            return
        try:
            with transaction.atomic():
                has_begun = _begin(session, exchange)
        except RunsError as error:
            if exchange.pk == told:
                raise
            if isinstance(error, _LATER):
                return
            _refuse(exchange, error)
        else:
            if has_begun:
                live.exchange_changed(exchange.pk)
            return


def run_has_changed(run_id: str) -> None:
    """A run has ended, or asks something: its session's next exchange may begin."""
    session_ids = (
        Exchange.objects.filter(run_id=run_id, status=Exchange.Status.RUNNING)
        .values_list("session_id", flat=True)
        .distinct()
    )
    for session_id in list(session_ids):
        _take_up(session_id)


def withdraw(exchange_id: int, reason: str) -> None:
    """Refuse an exchange that still waits: whoever sent it waits no longer."""
    session_ids = Exchange.objects.filter(pk=exchange_id).values_list("session_id", flat=True)
    with write_transaction():
        locked: models.QuerySet[Session] = Session.objects.select_for_update()
        session = locked.filter(pk__in=session_ids).first()
        if session is None:
            return
        exchange = session.exchanges.filter(pk=exchange_id, status=Exchange.Status.WAITING).first()
        if exchange is not None:
            _close(exchange, reason, "withdrawn")


def sweep() -> int:
    """Look after every session with an open exchange; how many there were.

    Mends what a crash left between the end of a run and its receiver.
    """
    session_ids: dict[str, None] = {}
    for status in _OPEN:  # each has its index
        found = Exchange.objects.filter(status=status).values_list("session_id", flat=True)
        session_ids.update(dict.fromkeys(found.distinct()))
    for session_id in session_ids:
        _take_up(session_id)
    return len(session_ids)


def _take_up(session_id: str) -> None:
    with write_transaction():
        locked: models.QuerySet[Session] = Session.objects.select_for_update()
        session = locked.filter(pk=session_id).first()
        if session is not None:
            take_up(session)


def _settle(session: Session) -> bool:
    """Close the exchange under way if its run is through with it. False while it works on."""
    running = list(session.exchanges.filter(status=Exchange.Status.RUNNING).order_by("id"))
    for run_id in dict.fromkeys(exchange.run_id for exchange in running):
        mine = [exchange for exchange in running if exchange.run_id == run_id]
        run = Run.objects.filter(pk=run_id).first()
        if run is not None and not (run.is_finished or run.status == Run.Status.AWAITING_INPUT):
            return False
        if mine[0].kind != Exchange.Kind.COMPACTION:  # nobody said that
            mirror_run(session, run_id)
        injected = [item for item in mine if item.kind == Exchange.Kind.INJECTED]
        answered = [item.pk for item in mine if run is None or item not in injected]
        Exchange.objects.filter(pk__in=answered).update(status=Exchange.Status.ANSWERED)
        for pk in answered:
            live.exchange_changed(pk)
        if run is not None:
            settle_injected(run, injected)
    if running:
        review_if_due(session)
    return True


def _begin(session: Session, exchange: Exchange) -> bool:
    """False when the conversation is summed up first, in a run that this one waits for."""
    # What comes by time is nobody's answer: then the question stays open in the inbox.
    asking = None if exchange.trigger_source in _UNATTENDED else _asking_run(session)
    caller = caller_of(exchange)
    if asking is not None:
        try:
            respond(
                run_id=asking.pk,
                response=response_of(_schema_of(asking), exchange.text),
                caller=caller,
            )
        except RunNotWaiting:
            asking = None  # somebody answered in the inbox meanwhile: this is a message like any
        else:
            exchange.kind = Exchange.Kind.RESPONSE
            exchange.run_id, exchange.after_seq = asking.pk, asking.head_seq
    if asking is None:
        run_id = _start(session, exchange, caller)
        if run_id is None:
            return False
        exchange.run_id = run_id
    exchange.status = Exchange.Status.RUNNING
    exchange.save(update_fields=["kind", "status", "run_id", "after_seq"])
    return True


def _asking_run(session: Session) -> Run | None:
    """The run of this session that waits for a human, if the newest one does."""
    last = newest_answering(session)
    if last is None:
        return None
    return Run.objects.filter(pk=last.run_id, status=Run.Status.AWAITING_INPUT).first()


def _schema_of(asking: Run) -> dict[str, Any] | None:
    """What the answer has to fit. The newest event of a waiting run is its question."""
    event = read_heads([asking.pk]).get(asking.pk)
    schema = event.data.get("schema") if event is not None else None
    return schema if isinstance(schema, dict) else None


def _start(session: Session, exchange: Exchange, caller: Principal) -> str | None:
    general = current(General)
    params: dict[str, object] = {"max_tokens": general.max_tokens}
    if general.reasoning_effort:
        params["reasoning_effort"] = general.reasoning_effort
    goal = prompt_of(exchange.text, exchange.attachments)
    opening = opening_of(session, goal)
    history = compacted(exchange, opening)
    if history is None:
        begin_compaction(session, exchange, opening.dropped, caller)
        return None
    images = PromptImages(
        exchange.attachments, history.messages, user_id=exchange.user_id, actor=exchange.actor
    )
    started = start_run(
        StartRequest(
            goal=goal,
            graph_id=CHAT_GRAPH,
            model=exchange.model or (general.models[0] if general.models else ""),
            inputs={
                "system": session.context,
                "history": history.messages,
                "images": images.inputs,
                "options": {"max_turns": general.max_turns, "params": params},
            },
            metadata={"session_id": session.pk, **history.facts},
            trigger_source=exchange.trigger_source,
        ),
        actor=exchange.actor,
        user_id=exchange.user_id or None,
        granted=frozenset(exchange.granted) if exchange.granted is not None else None,
        api_key_id=exchange.api_key_id or None,
    )
    images.keep(started.run_id)
    return started.run_id


def _code_of(error: RunsError) -> str:
    match error:
        case InvalidInput():
            return "invalid"
        case SpendingLimitReached():
            return "spending_limit"
    return "unavailable"


def _refuse(exchange: Exchange, error: RunsError) -> None:
    _close(exchange, str(error), _code_of(error))


def _close(exchange: Exchange, reason: str, code: str) -> None:
    exchange.status = Exchange.Status.REFUSED
    exchange.error, exchange.error_code = reason, code
    exchange.save(update_fields=["status", "error", "error_code"])
    live.exchange_changed(exchange.pk)
