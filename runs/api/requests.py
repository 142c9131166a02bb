"""What callers send to the daemon's API, checked and typed. Complaints are `InvalidInput`: 400."""

import re
from dataclasses import dataclass
from typing import Any

import orjson
from django.http import HttpRequest
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from runs.api import words
from runs.errors import InvalidInput
from runs.services.listing import RunFilter
from runs.services.starting import Idempotency, StartRequest
from runs.storable import NUL, Unstorable, read_json

LIST_DEFAULT, LIST_MAX = 50, 200
EVENTS_DEFAULT, EVENTS_MAX = 200, 1_000
#: Databases count rows in 64 bits; no list is that long.
OFFSET_MAX = 2**31
SEARCH_MAX_CHARS = 1_000
KEY_MAX_CHARS = 200

_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,100}")


class StartRunBody(BaseModel):
    """A run to start. Unknown fields are ignored; an optional field may be null."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    goal: str
    graph_id: str | None = None
    model: str | None = None
    budget: dict[str, Any] | None = None
    metadata: dict[str, str] | None = None
    priority: int | None = None

    @field_validator("goal", "graph_id", "model")
    @classmethod
    def _is_storable(cls, text: str | None) -> str | None:
        if text is not None and NUL in text:
            raise ValueError("must not contain NUL characters")
        return text

    @field_validator("metadata")
    @classmethod
    def _are_storable(cls, texts: dict[str, str] | None) -> dict[str, str] | None:
        for key, value in (texts or {}).items():
            cls._is_storable(key)
            cls._is_storable(value)
        return texts

    def as_request(self) -> StartRequest:
        return StartRequest(
            goal=self.goal,
            graph_id=self.graph_id or "agent",
            model=self.model or "",
            budget=self.budget,
            metadata=self.metadata or {},
            priority=self.priority or 0,
        )


@dataclass(frozen=True, slots=True)
class Paging:
    limit: int
    offset: int


def read_start(request: HttpRequest) -> tuple[StartRequest, Any]:
    """The run asked for, and the body as parsed JSON. The content type does not matter."""
    try:
        body = read_json(request.body)
    except orjson.JSONDecodeError:
        raise InvalidInput("the request body is not valid JSON") from None
    except Unstorable as error:
        place = ".".join(map(str, error.place)) or "the request body"
        raise InvalidInput(f"{place}: {error}", field=place) from None
    if not isinstance(body, dict):
        raise InvalidInput("the request body must be a JSON object")
    try:
        return StartRunBody.model_validate(body).as_request(), body
    except ValidationError as error:
        raise _complaint(error) from None


def _complaint(error: ValidationError) -> InvalidInput:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return InvalidInput(f"{name} is missing", field=name)
    return InvalidInput(f"{name}: {first['msg'].removeprefix('Value error, ')}", field=name)


def read_idempotency(request: HttpRequest, *, actor: str, body: Any) -> Idempotency | None:
    """The `Idempotency-Key`, in the scope of this caller and route."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    key = key.strip()
    if not key or len(key) > KEY_MAX_CHARS or not key.isprintable():
        raise InvalidInput(f"Idempotency-Key must be 1 to {KEY_MAX_CHARS} printable characters")
    return Idempotency(f"{actor} {request.method} {request.path_info}", key, body)


def read_filter(request: HttpRequest) -> RunFilter:
    """`status` and `q`. A status nobody knows matches no run; that is no error."""
    word = request.GET.get("status", "").strip().lower()
    text = request.GET.get("q", "").strip().lower()
    if len(text) > SEARCH_MAX_CHARS or NUL in text:
        raise InvalidInput(f"q must have at most {SEARCH_MAX_CHARS} characters and no NUL")
    return RunFilter(
        statuses=words.statuses_named(word) if word else None,
        text=text,
        text_statuses=words.statuses_like(text) if text else (),
    )


def read_list_paging(request: HttpRequest) -> Paging:
    limit = min(_limit(request, LIST_DEFAULT), LIST_MAX)
    return Paging(limit, _offset(request))


def read_events_paging(request: HttpRequest) -> Paging:
    limit = _limit(request, EVENTS_DEFAULT)
    if limit > EVENTS_MAX:
        raise InvalidInput(f"limit must be at most {EVENTS_MAX}", field="limit")
    return Paging(limit, _offset(request))


def _limit(request: HttpRequest, default: int) -> int:
    limit = _whole_number(request, "limit", default)
    if limit < 1:
        raise InvalidInput("limit must be at least 1", field="limit")
    return limit


def _offset(request: HttpRequest) -> int:
    offset = _whole_number(request, "offset", 0)
    if offset < 0:
        raise InvalidInput("offset must be at least 0", field="offset")
    return min(offset, OFFSET_MAX)


def _whole_number(request: HttpRequest, name: str, default: int) -> int:
    text = request.GET.get(name, "").strip()
    if not text:
        return default
    if not _WHOLE_NUMBER.fullmatch(text):
        raise InvalidInput(f"{name} must be a whole number", field=name)
    return int(text)


def read_cursor(request: HttpRequest) -> int:
    """The seq after which a stream begins: `Last-Event-ID`, else `?since=`; nonsense is 0."""
    text = request.headers.get("Last-Event-ID", "") or request.GET.get("since", "")
    seq = int(text) if _WHOLE_NUMBER.fullmatch(text.strip()) else 0
    return min(max(seq, 0), OFFSET_MAX)
