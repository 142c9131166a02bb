"""JSON bodies of the gateway, checked and typed.

A field that is missing or of another type is 422, one whose value is out of range or no known
choice is 400; either way the answer names it. Unknown fields are ignored: clients send extras.
"""

from typing import TypeVar

import orjson
from django.http import HttpRequest
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from chat.errors import ChatError, InvalidBody, MalformedBody, OutOfRange, UnsupportedMediaType
from runs.storable import Unstorable, complaint_about, read_json

BodyT = TypeVar("BodyT", bound=BaseModel)

#: pydantic's complaints about a value whose type is right.
_OUT_OF_RANGE = frozenset(
    {
        "enum",
        "finite_number",
        "greater_than",
        "greater_than_equal",
        "less_than",
        "less_than_equal",
        "literal_error",
        "multiple_of",
        "string_pattern_mismatch",
        "string_too_long",
        "string_too_short",
        "too_long",
        "too_short",
        "value_error",
    }
)


class Body(BaseModel):
    """Base of all bodies. An absent field and null are the same; an integer is a float."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


def read_body(request: HttpRequest, kind: type[BodyT]) -> BodyT:
    """The body of a request. Raises one of `chat.errors` for what it is not."""
    content_type = request.content_type or ""
    if content_type != "application/json" and not content_type.endswith("+json"):
        raise UnsupportedMediaType
    try:
        body = read_json(request.body)
    except orjson.JSONDecodeError:
        raise MalformedBody("The request body is not valid JSON") from None
    except Unstorable as error:
        name = ".".join(map(str, error.place))
        raise OutOfRange(f"{name or 'The request body'}: {error}", field=name) from None
    if not isinstance(body, dict):
        raise InvalidBody("The request body must be a JSON object")
    if said := complaint_about(body):
        raise OutOfRange(f"The request body {said}")
    try:
        return kind.model_validate_json(request.body)
    except ValidationError as error:
        raise complaint(error) from None


def complaint(error: ValidationError) -> ChatError:
    """What is wrong first, as the refusal it is."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    message = _message(first, name)
    if first["type"] in _OUT_OF_RANGE:
        return OutOfRange(message, field=name)
    return InvalidBody(message, field=name)


def _message(first: ErrorDetails, name: str) -> str:
    if first["type"] == "missing":
        return f"{name}: field required"
    said = first["msg"].removeprefix("Value error, ")
    return f"{name}: {said}" if name else said
