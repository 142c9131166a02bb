"""Starting a run: check, store, answer. The row is the promise; a worker finds it."""

import json
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from typing import Any

from blake3 import blake3
from django.conf import settings
from django.db import IntegrityError, connection
from django.db.models import CharField, ForeignKey, IntegerField, TextField
from django.utils import timezone
from pydantic import ValidationError

from accounts import audit
from project.lib import draining
from project.lib.db import write_transaction
from project.lib.ids import new_ulid
from project.lib.sql import execute
from runs import dispatch, metrics
from runs.engine.opening import check_opening
from runs.engine.spending import Spender, check_start
from runs.errors import IdempotencyConflict, InvalidInput, QueueFull, ShuttingDown
from runs.graphs.configs import Budget
from runs.graphs.documents import Graph
from runs.graphs.presets import models_of
from runs.graphs.registry import get_graph
from runs.log.codec import CodecError, encode, to_log_value
from runs.log.redaction import redact_text, redact_value
from runs.models import IdempotencyRecord, Run
from runs.providers.registry import get_client
from runs.services.queue import is_queue_full
from runs.storable import complaint_about

MAX_METADATA = 16
MAX_METADATA_CHARS = 256
PRIORITIES = range(-100, 101)
_SCOPE_CHARS, _KEY_CHARS = 300, 200  # what the columns hold


@dataclass(frozen=True, slots=True)
class StartRequest:
    """A run as somebody asks for it. `metadata` has at most 16 short strings."""

    goal: str
    graph_id: str = "agent"
    model: str = ""
    budget: dict[str, Any] | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    priority: int = 0
    inputs: dict[str, Any] = field(default_factory=dict)
    trigger_source: str = "api"
    parent_run_id: str = ""
    run_id: str = ""  # chosen by whoever watches it from before its start; empty: a new one


@dataclass(frozen=True, slots=True)
class Idempotency:
    """An Idempotency-Key in its scope (caller and route), with the body it came with."""

    scope: str
    key: str
    body: Any

    @property
    def stored_scope(self) -> str:
        return _fitting(self.scope, _SCOPE_CHARS)

    @property
    def stored_key(self) -> str:
        return _fitting(self.key, _KEY_CHARS)

    @property
    def body_hash(self) -> bytes:
        """Equal for bodies that are equal as parsed JSON."""
        return blake3(json.dumps(self.body, sort_keys=True).encode()).digest()


def _fitting(text: str, room: int) -> str:
    """What a column has no room for is known by its hash."""
    return text if len(text) <= room else blake3(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Started:
    """The accepted run; `is_replay` when the key had been used for it before."""

    run_id: str
    is_replay: bool


def start_run(
    request: StartRequest,
    *,
    actor: str,
    user_id: str | None,
    granted: frozenset[str] | None = None,
    api_key_id: str | None = None,
    idempotency: Idempotency | None = None,
) -> Started:
    """Accept a run and queue it. `granted` bounds what its tools may do, `None` does not.

    Raises `InvalidInput`, `GraphNotFound`, `ModelNotFound`, `SpendingLimitReached`, `QueueFull`,
    `ShuttingDown`, and `IdempotencyConflict` when the key came with another body before.
    """
    graph, budget = check_request(request)
    if draining.is_draining():
        metrics.enqueue_rejected.labels("shutting_down").inc()
        raise ShuttingDown("the server is shutting down")
    if idempotency is not None and (first := _first_answer(idempotency)) is not None:
        return first
    check_start(Spender.of(user_id, api_key_id))
    request = _without_secrets(request)
    try:
        with write_transaction():
            if is_queue_full(settings.STARPORT_QUEUE):
                metrics.enqueue_rejected.labels("queue_full").inc()
                raise QueueFull(f"{settings.STARPORT_QUEUE} runs are waiting already")
            run_id = _insert(request, graph.hash, budget, actor, user_id, granted, api_key_id)
            if idempotency is not None:
                _remember(idempotency, run_id)
            dispatch.run_is_pending(run_id)
            audit.record(
                "run_enqueued",
                actor=actor,
                run_id=run_id,
                pack_id=audit.RUNTIME,
                graph_id=request.graph_id,
                trigger_source=request.trigger_source,
            )
    except IntegrityError:
        # A twin of this request won the race for the key.
        first = _first_answer(idempotency) if idempotency is not None else None
        if first is None:
            raise
        return first
    return Started(run_id, False)


def check_request(request: StartRequest) -> tuple[Graph, dict[str, Any] | None]:
    """Refuse what could not run. Returns its graph, and the budget as it will be recorded."""
    if request.priority not in PRIORITIES:
        raise InvalidInput("priority must be between -100 and 100", field="priority")
    _check_metadata(request.metadata)
    budget = _check_budget(request.budget)
    graph = get_graph(request.graph_id)
    if graph.lone_agent is not None and not request.goal.strip():
        raise InvalidInput("goal must not be blank", field="goal")
    for model in models_of(graph, request.model):
        get_client(model)
    for name in ("goal", "metadata", "inputs"):
        if complaint := complaint_about(getattr(request, name)):
            raise InvalidInput(f"{name}: {complaint}", field=name)
    if graph.lone_agent is not None:
        check_opening(graph.lone_agent, request.inputs)
    unfit = next(graph.state.complaints(_as_recorded(request.inputs)), None)
    if unfit is not None:
        raise InvalidInput(f"inputs.{unfit.name}: {unfit}", field=f"inputs.{unfit.name}")
    return graph, budget


def _as_recorded(inputs: dict[str, Any]) -> dict[str, Any]:
    """What the log makes of them. Refuses lists and objects that are too long for it."""
    try:
        recorded: dict[str, Any] = to_log_value(inputs)
        encode(recorded)
    except CodecError as error:
        raise InvalidInput(f"inputs: {error}", field="inputs") from None
    return recorded


def _check_metadata(metadata: dict[str, str]) -> None:
    if len(metadata) > MAX_METADATA:
        raise InvalidInput(f"metadata holds at most {MAX_METADATA} entries", field="metadata")
    for key, value in metadata.items():
        if not isinstance(value, str) or max(len(key), len(value)) > MAX_METADATA_CHARS:
            raise InvalidInput(
                f"metadata values are strings of at most {MAX_METADATA_CHARS} characters",
                field="metadata",
            )


def _check_budget(budget: dict[str, Any] | None) -> dict[str, Any] | None:
    if not budget:
        return None
    try:
        return Budget.model_validate(budget, strict=True).recorded() or None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(["budget", *(str(part) for part in first["loc"])])
        raise InvalidInput(f"{name}: {first['msg']}", field=name) from None


def _without_secrets(request: StartRequest) -> StartRequest:
    """As the log will have it: the row is listed, searched and shown just like the log."""
    try:
        return replace(
            request,
            goal=redact_text(request.goal),
            metadata=redact_value(request.metadata),
            inputs=redact_value(request.inputs),
        )
    except RecursionError:
        raise InvalidInput("inputs are nested too deeply", field="inputs") from None


def _insert(
    request: StartRequest,
    graph_hash: str,
    budget: dict[str, Any] | None,
    actor: str,
    user_id: str | None,
    granted: frozenset[str] | None,
    api_key_id: str | None,
) -> str:
    run_id = request.run_id or new_ulid()
    statement, columns = _insertion()
    stored = columns | _as_stored(
        **_given(budget=budget, metadata=request.metadata, inputs=request.inputs),
        id=run_id,
        accepted_at=timezone.now(),
        goal=request.goal,
        graph_id=request.graph_id,
        graph_hash=graph_hash,
        model=request.model,
        priority=request.priority,
        trigger_source=request.trigger_source,
        parent_id=request.parent_run_id or None,
        creator_id=user_id,
        actor=actor,
        api_key_id=api_key_id or "",
    )
    if granted is not None:
        stored["granted"] = _stored_granted(granted)
    execute(statement, list(stored.values()))
    return run_id


_FIELDS = {field.attname: field for field in Run._meta.concrete_fields}
#: Texts and numbers, and ids, which are texts: asking the field costs more than storing the row.
_STORED_AS_THEY_ARE = frozenset(
    name
    for name, field in _FIELDS.items()
    if isinstance(field, (CharField, TextField, IntegerField, ForeignKey))
)


def _given(**values: Any) -> dict[str, Any]:
    """Without what is empty, which the columns hold anyway."""
    return {name: value for name, value in values.items() if value}


@lru_cache(maxsize=256)  # callers come in few kinds
def _stored_granted(granted: frozenset[str]) -> Any:
    return _as_stored(granted=sorted(granted))["granted"]


@cache
def _insertion() -> tuple[str, dict[str, Any]]:
    """The INSERT of a run, and what its columns hold unless the request says otherwise.

    The ORM would work out both for every run, and take longer than SQLite takes to store it.
    """
    names = ", ".join(connection.ops.quote_name(str(field.column)) for field in _FIELDS.values())
    places = ", ".join(["%s"] * len(_FIELDS))
    blank = Run(accepted_at=timezone.now())
    columns = _as_stored(**{name: getattr(blank, name) for name in _FIELDS})
    return f"INSERT INTO {Run._meta.db_table} ({names}) VALUES ({places})", columns  # noqa: S608


def _as_stored(**values: Any) -> dict[str, Any]:
    """Field values as the database takes them, JSON as text for instance."""
    return {
        name: value
        if name in _STORED_AS_THEY_ARE
        else _FIELDS[name].get_db_prep_save(value, connection)
        for name, value in values.items()
    }


def _first_answer(idempotency: Idempotency) -> Started | None:
    record = IdempotencyRecord.objects.filter(
        scope=idempotency.stored_scope, key=idempotency.stored_key
    ).first()
    if record is None:
        return None
    if bytes(record.body_hash) != idempotency.body_hash:
        raise IdempotencyConflict("this Idempotency-Key was used with another body")
    return Started(record.response["run_id"], True)


def _remember(idempotency: Idempotency, run_id: str) -> None:
    IdempotencyRecord.objects.create(
        scope=idempotency.stored_scope,
        key=idempotency.stored_key,
        body_hash=idempotency.body_hash,
        status_code=202,
        response={"run_id": run_id},
    )
