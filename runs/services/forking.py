"""Counterfactual forks: a child run that goes on from a step of its parent, changed.

The parent is only read. The child's log begins with all it needs from there: the state, the
mutation, the humans' answers and the outcomes of effects, so that it stands without its parent.
"""

import hashlib
import uuid
from dataclasses import dataclass, replace
from typing import Any

import rfc8785
from django.conf import settings

from accounts import audit
from accounts.principals import Principal
from project.lib import draining
from project.lib.canonical_json import canonical_hash
from project.lib.db import write_transaction
from runs import dispatch
from runs.engine.spending import Spender, check_start
from runs.errors import InvalidInput, MutationRefused, NoCheckpoint, QueueFull, ShuttingDown
from runs.event_types import RunForked
from runs.graphs.documents import Graph
from runs.graphs.expressions import ExpressionInvalid, render
from runs.graphs.presets import as_agent
from runs.graphs.rules import Interrupt
from runs.graphs.state_schema import GOAL, Unfit
from runs.log.append import append_locked
from runs.log.codec import to_log_value
from runs.log.read import walk_events
from runs.log.redaction import redact_value
from runs.models import Run
from runs.services.checkpoints import AGENT_NODE, History, StepView, load_history
from runs.services.first_event import first_event_of
from runs.services.fork_past import Past
from runs.services.fork_step import ChangedStep
from runs.services.mutations import Mutation
from runs.services.queue import is_queue_full
from runs.storable import complaint_about

_TAG = b"stargraph-cf-v1"


@dataclass(frozen=True, slots=True)
class Fork:
    run_id: str
    graph_hash: str


def derived_hash(parent_hash: str, mutation: dict[str, Any]) -> str:
    """The graph hash of a child: spec/stargraph.md §6.3. `parent_hash` is 64 hex digits."""
    canonical = rfc8785.dumps(mutation)
    return hashlib.sha256(b"\0".join((_TAG, parent_hash.encode(), canonical))).hexdigest()


def fork_run(
    parent: Run, *, step: int, mutation: Mutation, caller: Principal, reason: str = ""
) -> Fork:
    """Start a child of `parent` after its step `step`, whatever state the parent is in.

    Raises `NoCheckpoint`, `MutationRefused`, `InvalidInput`, `SpendingLimitReached`, `QueueFull` or
    `ShuttingDown`.
    """
    if mutation.rule_pack_version is not None:
        raise MutationRefused(f"unknown rule_pack_version {mutation.rule_pack_version!r}")
    history = load_history(parent)
    view = history.at(step)
    sent = mutation.as_map()
    if complaint := complaint_about(sent):
        raise InvalidInput(f"mutation: {complaint}", field="mutation")
    try:
        graph_hash = derived_hash(parent.graph_hash, sent)
        mutation_hash = canonical_hash(sent)
    except (rfc8785.CanonicalizationError, ValueError) as error:
        raise InvalidInput(f"mutation: {error}", field="mutation") from None
    mutation = _without_secrets(mutation)
    _check(history.graph, mutation)
    events = list(walk_events(parent.id))
    forked = _forked(history, view, mutation, Past.of(events, view.step), caller.actor, reason)
    if draining.is_draining():
        raise ShuttingDown("the server is shutting down")
    check_start(Spender.of(caller.user_id, caller.api_key_id))
    with write_transaction():
        if is_queue_full(settings.STARPORT_QUEUE):
            raise QueueFull(f"{settings.STARPORT_QUEUE} runs are waiting already")
        child = _child(parent, step, graph_hash, forked, caller)
        append_locked(child, [first_event_of(child), forked])
        Run.objects.filter(pk=child.pk).update(status=Run.Status.PENDING, lease_token="")
        dispatch.run_is_pending(child.id)
        audit.record(
            "counterfactual_forked",
            actor=caller.actor,
            run_id=child.id,
            pack_id=audit.RUNTIME,
            durable=True,
            parent_run_id=parent.id,
            step=step,
            graph_hash=graph_hash,
            mutation_hash=mutation_hash,
            reason=audit.shortened(reason),
        )
    return Fork(child.id, graph_hash)


def _without_secrets(mutation: Mutation) -> Mutation:
    """As the log will have it."""
    try:
        return Mutation(**redact_value(mutation.as_map()))
    except RecursionError:
        raise InvalidInput("the mutation is nested too deeply", field="mutation") from None


def _child(parent: Run, step: int, graph_hash: str, forked: RunForked, caller: Principal) -> Run:
    goal = forked.state.get(GOAL)
    return Run.objects.create(
        id=f"cf-{uuid.uuid4()}",
        graph_id=parent.graph_id,
        graph_hash=graph_hash,
        version=parent.version_hash,
        goal=goal if isinstance(goal, str) else parent.goal,
        inputs=parent.inputs,
        model=parent.model,
        budget=parent.budget,
        metadata=parent.metadata,
        priority=parent.priority,
        trigger_source="manual",
        creator_id=caller.user_id,
        actor=caller.actor,
        granted=sorted(caller.capabilities),
        api_key_id=caller.api_key_id or "",
        parent=parent,
        fork_step=step,
    )


# --- What a mutation may say ------------------------------------------------------------------


def _check(graph: Graph, mutation: Mutation) -> None:
    for node_id in mutation.node_output_overrides or ():
        if node_id not in graph.nodes or graph.lone_agent is not None:
            raise _refusal("node_output_overrides", node_id, "there is no such node")
    for name, value in (mutation.state_overrides or {}).items():
        if graph.lone_agent is not None:
            if name != GOAL or not isinstance(value, str) or not value.strip():
                raise _refusal("state_overrides", name, f"only a text for {GOAL} can be set")
            continue
        if graph.state.fields and name not in _known_fields(graph):
            raise _refusal("state_overrides", name, "there is no such state field")
        try:
            graph.state.check_output({name: value})
        except Unfit as error:
            raise _refusal("state_overrides", name, str(error)) from None
    if graph.lone_agent is not None and (mutation.facts_assert or mutation.facts_retract):
        raise InvalidInput("mutation: an agent has no facts", field="mutation")


def _known_fields(graph: Graph) -> set[str]:
    known = {GOAL, *graph.state.fields}
    for rule in graph.rules:
        for action in rule.then:
            if isinstance(action, Interrupt):
                known.update(action.written_fields())
    for node in graph.nodes.values():
        known.update((as_agent(node.kind, node.config) or node.config).written_fields())
    return known


def _refusal(key: str, name: str, why: str) -> InvalidInput:
    return InvalidInput(f"{key}.{name}: {why}", field=f"mutation.{key}.{name}")


# --- What the child begins with ---------------------------------------------------------------


def _forked(
    history: History, view: StepView, mutation: Mutation, past: Past, actor: str, reason: str
) -> RunForked:
    graph, parent = history.graph, history.run
    base = RunForked(
        parent_run_id=parent.id,
        step=view.step,
        node_id=AGENT_NODE,
        mutation=to_log_value(mutation.as_map()),
        state={},
        actor=actor,
        reason=reason,
        answers=past.answers() or None,
        effects=past.effects(mutation.respond_payloads or {}) or None,
        inherited=past.inherited() or None,
        versions=past.versions or None,
    )
    if graph.lone_agent is not None:
        return replace(base, state=_conversation(history, view, mutation, past))
    transition = view.transition
    if transition is None:
        raise NoCheckpoint(f"no checkpoint at step {view.step}")
    return ChangedStep(history, view, transition, mutation, past.forked).begin(base)


def _conversation(
    history: History, view: StepView, mutation: Mutation, past: Past
) -> dict[str, Any]:
    """The messages up to the step; another goal is another prompt."""
    messages = list(view.state["messages"])
    state = {**view.state, "messages": messages}
    answer = (mutation.respond_payloads or {}).get(str(view.step))
    if answer is not None:
        for index in range(_newest_turn(messages), len(messages)):
            if messages[index].get("call_id") in past.asked:
                messages[index] = {**messages[index], "result": {"response": answer}}
    goal = (mutation.state_overrides or {}).get(GOAL)
    if goal is not None:
        state[GOAL] = goal
        prompt = _first_message(history, history.run.goal)
        at = _asked_at(messages, prompt, len(history.run.inputs.get("history") or ()))
        messages[at] = {**messages[at], "text": _first_message(history, goal)}
    return to_log_value(state)  # type: ignore[no-any-return]


def _asked_at(messages: list[dict[str, Any]], prompt: str, said_before: int) -> int:
    """Where the prompt stands: behind what was said before the run, unless compaction moved it."""
    asked = [
        index
        for index, item in enumerate(messages)
        if item["role"] == "user" and item.get("text") == prompt
    ]
    return next((index for index in asked if index >= said_before), asked[-1] if asked else 0)


def _newest_turn(messages: list[dict[str, Any]]) -> int:
    """Where the model's newest answer stands; what follows are the outcomes of its calls."""
    spoken = [index for index, item in enumerate(messages) if item["role"] == "assistant"]
    return spoken[-1] if spoken else len(messages)


def _first_message(history: History, goal: str) -> str:
    config = history.graph.lone_agent
    if config is None:
        return goal
    try:
        values = history.graph.state.with_defaults({**history.run.inputs, GOAL: goal})
        return render(config.prompt, values)
    except ExpressionInvalid as error:
        raise _refusal("state_overrides", GOAL, str(error)) from None
