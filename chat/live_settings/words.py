"""What is wrong with a value, in the words that clients of the settings routes know."""

from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from chat.errors import OutOfRange


def complaint(error: ValidationError) -> OutOfRange:
    """The first thing that is wrong, naming its field."""
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    return OutOfRange(_sentence(field, first), field=field)


def _sentence(field: str, error: ErrorDetails) -> str:
    context: dict[str, Any] = error.get("ctx", {})
    match error["type"]:
        case "greater_than_equal" if context["ge"] == 1:
            return f"{field} must be > 0"
        case "greater_than_equal":
            return f"{field} must be at least {context['ge']}"
        case "greater_than":
            return f"{field} must be more than {context['gt']:g}"
        case "less_than_equal":
            return f"{field} must be at most {context['le']}"
        case "string_too_short" if context["min_length"] == 1:
            return f"{field} cannot be empty"
        case "string_too_long":
            return f"{field} must have at most {context['max_length']} characters"
        case "too_long":
            return f"{field} must have at most {context['max_length']} entries"
        case "literal_error":
            expected = str(context["expected"]).removeprefix("'', ")
            return f"{field} must be {expected}"
        case "value_error":
            return _own_sentence(field, str(context["error"]))
    return f"{field}: {error['msg']}"


def _own_sentence(field: str, said: str) -> str:
    """Ours; clients know the one about the list of models by heart."""
    if not field or field.startswith("models."):
        return said
    return f"{field}: {said}"
