"""A completion becomes a run, or the answer to one that waits."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from accounts.principals import Principal
from chat.live_settings import current
from chat.live_settings.groups import General
from chat.memory.context import system_prompt
from chat.openai_api.catalogue import Offer
from chat.openai_api.messages import Conversation
from chat.openai_api.requests import CompletionBody
from chat.services.sessions import owner_of
from project.lib.ids import new_ulid
from runs.services.lifecycle import respond
from runs.services.listing import find_run
from runs.services.starting import Idempotency, StartRequest, start_run

TRIGGER_SOURCE = "openai"


@dataclass(frozen=True, slots=True)
class Begun:
    """The run that answers. `is_own`: nobody else wants it once the client has left."""

    run_id: str
    is_own: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done for a completion, checked. It is done once the run is watched."""

    run_id: str
    after_seq: int  # what the log says up to there is not this answer
    begin: Callable[[], Begun]
    #: A lone agent is heard as it speaks; of several nodes only the outcome is the answer.
    speaks_live: bool


def plan_run(
    offer: Offer,
    body: CompletionBody,
    conversation: Conversation,
    *,
    caller: Principal,
    idempotency: Idempotency | None,
) -> Plan:
    """A new run. `begin` raises what `start_run` raises, and may find one that began before."""
    request = StartRequest(
        goal=conversation.goal,
        graph_id=offer.graph.id,
        model=offer.model or _default_model(offer),
        inputs=_inputs(offer, body, conversation, caller),
        metadata=body.metadata or {},
        trigger_source=TRIGGER_SOURCE,
        run_id=new_ulid(),
    )

    def begin() -> Begun:
        started = start_run(
            request,
            actor=caller.actor,
            user_id=caller.user_id,
            granted=caller.capabilities,
            api_key_id=caller.api_key_id,
            idempotency=idempotency,
        )
        return Begun(started.run_id, not started.is_replay)

    return Plan(request.run_id, 0, begin, _speaks_live(offer))


def plan_response(
    offer: Offer, run_id: str, conversation: Conversation, *, caller: Principal
) -> Plan:
    """What the user said last answers the run, which is not this request's own.

    Raises `RunNotFound`; `begin` raises what `respond` raises.
    """
    run = find_run(caller, run_id)

    def begin() -> Begun:
        respond(run_id=run_id, response=conversation.goal, caller=caller)
        return Begun(run_id, False)

    return Plan(run_id, run.head_seq, begin, _speaks_live(offer))


def _speaks_live(offer: Offer) -> bool:
    return offer.graph.lone_agent is not None


def _default_model(offer: Offer) -> str:
    models = current(General).models
    return models[0] if offer.is_assistant and models else ""


def _inputs(
    offer: Offer, body: CompletionBody, conversation: Conversation, caller: Principal
) -> dict[str, Any]:
    """Of the conversation, what the graph has a place for; a graph without one has the goal."""
    agent = offer.graph.lone_agent
    inputs: dict[str, Any] = {}
    if agent is not None and agent.history is not None:
        inputs[agent.history] = conversation.history
    if agent is not None and agent.options is not None:
        general = current(General)
        params = {"max_tokens": general.max_tokens, **body.params}
        inputs[agent.options] = {"max_turns": general.max_turns, "params": params}
    if "system" in offer.graph.state.fields:
        system = conversation.system
        if not system and offer.is_assistant:
            system = system_prompt(owner_of(caller))
        inputs["system"] = system
    return inputs
