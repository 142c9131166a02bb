"""Steering a run: cancel, pause, resume, respond, inject. One function per transition.

Each checks its precondition and acts under the run's row lock, so of two callers exactly one wins.
"""

from typing import Any

from django.conf import settings
from django.db import models, transaction

from accounts import audit
from accounts.errors import CapabilityDenied
from accounts.principals import Principal
from project.lib.canonical_json import NotCanonical, canonical_hash
from project.lib.clock import now_ns
from project.lib.db import write_transaction
from runs import dispatch, metrics
from runs.engine.outcomes import observe_terminal
from runs.errors import (
    DeadlinePassed,
    InvalidInput,
    LogCorrupt,
    NoCheckpoint,
    RunAlreadyFinished,
    RunNotFound,
    RunNotPausable,
    RunNotPaused,
    RunNotWaiting,
)
from runs.event_types import (
    InputReceived,
    InputRequested,
    Payload,
    RunCancelled,
    RunRewound,
    RunUnpaused,
    ToolCallFailed,
)
from runs.graphs.registry import get_version
from runs.live import hub
from runs.log.append import RunTail, commit_tail, take_tail
from runs.log.events import StoredEvent
from runs.log.read import read_heads, walk_events
from runs.models import MailboxItem, Run
from runs.services.checkpoints import load_history
from runs.services.first_event import first_event_of
from runs.signals import run_answered, tell
from runs.storable import complaint_about
from runs.tools.arguments import first_violation

CANCELLED_BY_CALLER = "context_canceled"
CALL_CANCELLED = "the run was cancelled"


def cancel_run(*, run_id: str, actor: str) -> Run:
    """End a run that has not ended, in whatever state and process.

    The terminal event is appended here; its worker is told and can append nothing more. Raises
    `RunNotFound` or `RunAlreadyFinished`.
    """
    with write_transaction():
        run = _lock(run_id)
        if run.is_finished:
            metrics.cancel_requests.labels("already_finished").inc()
            raise RunAlreadyFinished(f"run {run_id} has ended already", state=run.status)
        tail = take_tail(run)
        if tail.projection.head_seq == 0:
            tail.add(first_event_of(run))
        for payload in _drop_open_calls(run_id):
            tail.add(payload)
        tail.add_cancelled(CANCELLED_BY_CALLER)
        events = commit_tail(tail)
        MailboxItem.objects.filter(run_id=run_id).delete()
        dispatch.run_was_cancelled(run_id)
        _record("lifecycle_cancel", run_id, actor)
    metrics.cancel_requests.labels("cancelled").inc()
    _tell(run_id, events, tail)
    return Run.objects.get(pk=run_id)


def _drop_open_calls(run_id: str) -> list[Payload]:
    """The outcome of tool calls that were under way: cancelled."""
    calls: dict[str, tuple[int, int]] = {}
    now = 0
    for event in walk_events(run_id):
        now = event.ts
        name = event.kind_name
        if name == "ToolCallScheduled":
            calls[event.data["call_id"]] = (event.data["attempt"], event.ts)
        elif name in ("ToolCallCompleted", "ToolCallFailed"):
            calls.pop(event.data["call_id"], None)
        elif name in ("RunResumed", "RunRewound"):
            calls.clear()
    return [
        ToolCallFailed(
            call_id, CALL_CANCELLED, "cancelled", (now - since) // 1_000_000, attempt, True
        )
        for call_id, (attempt, since) in calls.items()
    ]


def pause_run(*, run_id: str, actor: str, reason: str = "") -> Run:
    """Ask a running run to stop at its next step boundary.

    Raises `RunNotFound`, `RunAlreadyFinished`, or `RunNotPausable` for one that is not running.
    """
    with write_transaction():
        run = _lock(run_id)
        if run.is_finished:
            raise RunAlreadyFinished(f"run {run_id} has ended already", state=run.status)
        if run.status != Run.Status.RUNNING:
            raise RunNotPausable(f"run {run_id} is {run.status}, not running", state=run.status)
        MailboxItem.objects.create(
            run=run, kind=MailboxItem.Kind.PAUSE, body={"actor": actor, "reason": reason}
        )
        dispatch.run_has_mail(run_id)
        if run.wake_ns is not None:
            # It sleeps, so nobody would read the mail before its timer.
            Run.objects.filter(pk=run_id).update(status=Run.Status.PENDING)
            dispatch.run_is_pending(run_id)
        _record("lifecycle_pause", run_id, actor)
    return run


def resume_run(*, run_id: str, actor: str, from_step: int | None = None) -> Run:
    """Let a paused run go on where it stopped, or from the state after `from_step`.

    Raises `RunNotFound`, `RunNotPaused`, or `NoCheckpoint` when that step has no recorded state.
    """
    with write_transaction():
        run = _lock(run_id)
        if run.status != Run.Status.PAUSED:
            raise RunNotPaused(f"run {run_id} is {run.status}", state=run.status)
        payloads: list[Payload] = [RunUnpaused(actor)]
        if from_step is not None:
            history = load_history(run)
            history.at(from_step)
            if history.graph.lone_agent is not None:
                # What a model has said cannot be unsaid; a fork goes on from any of its turns.
                raise NoCheckpoint(f"no checkpoint at step {from_step}")
            payloads.append(RunRewound(from_step, actor))
        run = _continue(run_id, Run.Status.PAUSED, RunNotPaused, *payloads)
        rewound = {} if from_step is None else {"from_step": from_step}
        _record("run_resumed", run_id, actor, **rewound)
    return run


def respond(
    *,
    run_id: str,
    response: Any,
    caller: Principal,
    actor_claimed: str = "",
    request_seq: int | None = None,
) -> Run:
    """Answer a run that waits for a human; exactly one answer is ever accepted.

    `actor_claimed` is whom the caller says to speak for; the audit trail keeps it beside the
    actor. Of the response itself it keeps the hash only. `request_seq` is the event that is
    answered; with it, a question that the run asked since then is left alone.

    Raises `RunNotFound`, `RunNotWaiting`, `CapabilityDenied` when the run asked for somebody else,
    `DeadlinePassed`, or `InvalidInput` when the response does not fit the schema it asked for.
    """
    try:
        with write_transaction():
            run = _lock(run_id)
            asked = _request_of(run, request_seq)
            _require(caller, asked.requested_capability, run_id)
            if asked.deadline_ns and asked.deadline_ns <= now_ns():
                raise DeadlinePassed(f"the time to answer run {run_id} is over")
            return _respond(run_id, asked, response, caller.actor, actor_claimed)
    except CapabilityDenied as denied:
        # Only now: what is recorded inside goes with the transaction that was given up.
        audit.record_decision(
            "capability_denied", actor=caller.actor, run_id=run_id, capability=denied.capability
        )
        raise


def _request_of(run: Run, request_seq: int | None) -> InputRequested:
    """What the run asks; its newest event. The caller holds the row lock."""
    if run.status != Run.Status.AWAITING_INPUT or request_seq not in (None, run.head_seq):
        raise RunNotWaiting(
            f"run {run.id} is {run.status}, it does not wait for this", state=run.status
        )
    event = read_heads([run.id]).get(run.id)
    asked = event.typed() if event is not None and event.payload is not None else None
    if not isinstance(asked, InputRequested):
        # Whom it asks for is unknown then: nobody will do.
        raise LogCorrupt(f"run {run.id} waits, and its log does not say for what")
    return asked


def _require(caller: Principal, requested: str, run_id: str) -> None:
    if not requested:
        return
    if not caller.holds(requested):
        raise CapabilityDenied(requested, settings.STARPORT_PROFILE)
    audit.record("capability_granted", actor=caller.actor, run_id=run_id, capability=requested)


def _respond(
    run_id: str, asked: InputRequested, response: Any, actor: str, actor_claimed: str
) -> Run:
    if complaint := complaint_about(response):
        raise InvalidInput(f"response: {complaint}", field="response")
    try:
        body_hash = canonical_hash(response)
    except NotCanonical as error:
        raise InvalidInput(f"response: {error}", field="response") from None
    answer = _answer(response, asked.schema)
    received = InputReceived(answer, actor, asked.call_id, asked.path)
    run = _continue(run_id, Run.Status.AWAITING_INPUT, RunNotWaiting, received)
    transaction.on_commit(lambda: tell(run_answered, run_id=run_id, seq=run.head_seq))
    claimed = {"actor_claimed": actor_claimed} if actor_claimed else {}
    _record("respond", run_id, actor, body_hash=body_hash, **claimed)
    _record("respond_orchestrated", run_id, actor)
    return run


def _answer(response: Any, schema: dict[str, Any] | None) -> Any:
    """What the run gets. Raises `InvalidInput` when it does not fit the schema the run asked for.

    Some callers can only send objects: to a question that wants a text or a number, the object
    `{"answer": …}` is as good as what it holds.
    """
    complaint = first_violation(schema, response) if schema else ""
    if not complaint:
        return response
    if isinstance(response, dict) and response.keys() == {"answer"}:
        complaint = first_violation(schema or {}, response["answer"])
        if not complaint:
            return response["answer"]
    raise InvalidInput(f"response: {complaint}", field="response")


def inject_message(*, run_id: str, content: str) -> Run:
    """Put a user message into a run that has not ended, before its next turn."""
    if not content.strip():
        raise InvalidInput("content must not be blank", field="content")
    with write_transaction():
        run = _lock(run_id)
        if run.is_finished:
            raise RunAlreadyFinished(f"run {run_id} has ended already", state=run.status)
        if get_version(run.graph_id, run.version_hash).lone_agent is None:
            raise InvalidInput("a run of several nodes takes no messages", field="content")
        MailboxItem.objects.create(run=run, kind=MailboxItem.Kind.INJECT, body={"content": content})
        dispatch.run_has_mail(run_id)
    return run


def _continue(
    run_id: str,
    status: str,
    refusal: type[RunNotPaused] | type[RunNotWaiting],
    *payloads: Payload,
) -> Run:
    """Append what lets a waiting run go on, and queue it."""
    with write_transaction():
        run = _lock(run_id)
        if run.status != status:
            raise refusal(f"run {run_id} is {run.status}", state=run.status)
        tail = take_tail(run)
        for payload in payloads:
            tail.add(payload)
        events = commit_tail(tail)
        Run.objects.filter(pk=run_id).update(status=Run.Status.PENDING, lease_token="")
        dispatch.run_is_pending(run_id)
        transaction.on_commit(lambda: hub.publish(run_id, events))
        # Read before the commit: afterwards a worker may have it already.
        return Run.objects.get(pk=run_id)


def _record(kind: str, run_id: str, actor: str, **facts: object) -> None:
    """Who did it, in the transaction that does it. Last: it locks the head of the audit trail."""
    audit.record(kind, actor=actor, run_id=run_id, pack_id=audit.RUNTIME, durable=True, **facts)


def _lock(run_id: str) -> Run:
    locked: models.QuerySet[Run] = Run.objects.select_for_update()
    try:
        return locked.get(pk=run_id)
    except Run.DoesNotExist:
        raise RunNotFound(f"there is no run {run_id}") from None


def _tell(run_id: str, events: tuple[StoredEvent, ...], tail: RunTail) -> None:
    hub.publish(run_id, events)
    terminal = tail.terminal
    if isinstance(terminal, RunCancelled):
        observe_terminal(run_id, terminal, tail.projection.duration_ms)
