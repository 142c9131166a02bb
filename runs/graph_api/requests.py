"""What callers send to `/v1`, checked and typed. Complaints are `InvalidRequest`: a 422 whose
items say where, as clients of this dialect expect them.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import orjson
from django.http import HttpRequest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from runs.errors import InvalidRequest
from runs.services.approvals import ApprovalFilter
from runs.services.history import HistoryFilter, TriggerSource
from runs.services.mutations import Mutation
from runs.storable import NUL, Unstorable, read_json

LIST_DEFAULT, LIST_MAX = 100, 1_000
#: Databases count rows in 64 bits; no list is that long.
OFFSET_MAX = 2**31
KEY_MAX_CHARS = 255
STEP_MAX = 2**31 - 1

ModelT = TypeVar("ModelT", bound=BaseModel)


def _without_nul(text: str | None) -> str | None:
    if text is not None and NUL in text:
        raise ValueError("must not contain NUL characters")
    return text


class _Sent(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class StartGraphRunBody(_Sent):
    """A run to start. `params` is an older name of `inputs`."""

    graph_id: str
    inputs: dict[str, Any] | None = None
    params: dict[str, Any] | None = None
    trigger_source: TriggerSource = "manual"
    idempotency_key: str | None = Field(None, min_length=1, max_length=KEY_MAX_CHARS)

    _is_storable = field_validator("graph_id", "idempotency_key")(_without_nul)


class RespondBody(_Sent):
    """A human's answer. `actor` is recorded as a claim; who answers is who the credential is."""

    response: dict[str, Any]
    actor: str | None = Field(None, max_length=200)


class ResumeBody(_Sent):
    """Where to go on; null is where the run stopped."""

    from_step: int | None = None


#: One complaint is enough: a long list of nonsense would get an answer many times its size.
Facts = Annotated[list[dict[str, Any]], Field(fail_fast=True)]
MAX_RESPONSES = 1_000


class MutationBody(BaseModel):
    """What is different in a fork. Unlike elsewhere unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    state_overrides: dict[str, Any] | None = None
    facts_assert: Facts | None = None
    facts_retract: Facts | None = None
    rule_pack_version: str | None = None
    node_output_overrides: dict[str, Any] | None = None
    respond_payloads: dict[int, dict[str, Any]] | None = Field(
        None, description="By the step, a whole number, of what was answered"
    )

    @field_validator("respond_payloads", mode="before")
    @classmethod
    def _is_no_flood(cls, sent: Any) -> Any:
        if isinstance(sent, dict) and len(sent) > MAX_RESPONSES:
            raise ValueError(f"at most {MAX_RESPONSES} responses can be replaced")
        return sent

    def as_service(self) -> Mutation:
        payloads = self.respond_payloads
        return Mutation(
            self.state_overrides,
            self.facts_assert,
            self.facts_retract,
            self.rule_pack_version,
            self.node_output_overrides,
            None if payloads is None else {str(step): body for step, body in payloads.items()},
        )


class CounterfactualBody(_Sent):
    """A fork after `step`. `reason` goes to the audit trail."""

    step: int = Field(ge=0, le=STEP_MAX)
    mutation: MutationBody
    reason: str = Field("", max_length=1_000)

    _is_storable = field_validator("reason")(_without_nul)


class StateQuery(_Sent):
    step: int | None = Field(None, ge=0, le=STEP_MAX)


class DiffQuery(_Sent):
    against: str = Field(min_length=1, max_length=64)

    _is_storable = field_validator("against")(_without_nul)


class _PageQuery(_Sent):
    """Which page of a list. A later parameter of the same name wins."""

    limit: int = Field(LIST_DEFAULT, ge=1, le=LIST_MAX)
    offset: int = Field(0, ge=0)


class _PeriodQuery(_PageQuery):
    """A page of what lies between two times."""

    since: datetime | None = None
    until: datetime | None = None

    @field_validator("since", "until")
    @classmethod
    def _is_an_instant(cls, moment: datetime | None) -> datetime | None:
        """A time without a zone is UTC."""
        if moment is None or moment.tzinfo is None:
            return moment and moment.replace(tzinfo=UTC)
        try:
            return moment.astimezone(UTC)
        except OverflowError:
            raise ValueError("must lie in the years 1 to 9999, as UTC") from None


class ListQuery(_PeriodQuery):
    status: str | None = None
    trigger_source: str | None = None

    _is_storable = field_validator("status", "trigger_source")(_without_nul)

    @property
    def filter(self) -> HistoryFilter:
        return HistoryFilter(self.status, self.since, self.until, self.trigger_source)


class AuditQuery(_PeriodQuery):
    kind: str | None = None
    actor: str | None = None
    run_id: str | None = None

    _is_storable = field_validator("kind", "actor", "run_id")(_without_nul)


class ApprovalsQuery(_PageQuery):
    graph_id: str | None = None
    mine: bool = False

    _is_storable = field_validator("graph_id")(_without_nul)

    @property
    def filter(self) -> ApprovalFilter:
        return ApprovalFilter(self.graph_id, self.mine)


PageT = TypeVar("PageT", bound=_PageQuery)


def read_body(request: HttpRequest, model: type[ModelT]) -> tuple[ModelT, dict[str, Any]]:
    """The body as `model`, and as it was sent. The content type does not matter."""
    if not request.body.strip():
        raise InvalidRequest([{**MISSING, "loc": ["body"], "input": None}])
    sent = read_sent(request)
    if not isinstance(sent, dict):
        raise InvalidRequest([{**_NOT_AN_OBJECT, "loc": ["body"], "input": sent}])
    return _validated(model, sent, "body"), sent


def read_sent(request: HttpRequest) -> Any:
    """The body as it was sent, whatever it is."""
    try:
        return read_json(request.body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest([_not_json(error)]) from None
    except Unstorable as error:
        raise complaint("value_error", str(error), "body", *error.place) from None


def read_optional_body(request: HttpRequest, model: type[ModelT]) -> ModelT:
    """Like `read_body`, where no body at all is an empty object."""
    return read_body(request, model)[0] if request.body.strip() else model()


def read_query(request: HttpRequest, model: type[PageT]) -> PageT:
    query = _validated(model, dict(request.GET.items()), "query")
    return query.model_copy(update={"offset": min(query.offset, OFFSET_MAX)})


def read_parameters(request: HttpRequest, model: type[ModelT]) -> ModelT:
    """Query parameters of a route that has no pages."""
    return _validated(model, dict(request.GET.items()), "query")


def complaint(kind: str, message: str, *location: str | int, sent: Any = None) -> InvalidRequest:
    """One complaint that only we could find."""
    return InvalidRequest([{"type": kind, "loc": list(location), "msg": message, "input": sent}])


MISSING = {"type": "missing", "msg": "Field required"}
_NOT_AN_OBJECT = {
    "type": "model_attributes_type",
    "msg": "Input should be a valid dictionary or object to extract fields from",
}


def _not_json(error: orjson.JSONDecodeError) -> dict[str, Any]:
    return {
        "type": "json_invalid",
        "loc": ["body", error.pos],
        "msg": "JSON decode error",
        "input": {},
        "ctx": {"error": error.msg},
    }


def _validated(model: type[ModelT], sent: dict[str, Any], source: str) -> ModelT:
    try:
        return model.model_validate(sent)
    except ValidationError as error:
        # An answer to a human's question is nobody's business but the run's: not echoed.
        echoes = model is not RespondBody
        items = error.errors(include_url=False, include_input=echoes)
        raise InvalidRequest([_item(item, source) for item in items]) from None


def _item(item: Any, source: str) -> dict[str, Any]:
    located = {**item, "loc": [source, *item["loc"]]}
    if "ctx" in located:
        located["ctx"] = {name: _plain(value) for name, value in located["ctx"].items()}
    return located


def _plain(value: object) -> object:
    """Contexts may hold exceptions; JSON cannot."""
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
