"""The check between what a model wrote and what a tool gets."""

from typing import Any

from jsonschema import Draft202012Validator, SchemaError
from jsonschema.exceptions import best_match
from referencing import Registry
from referencing.exceptions import Unresolvable

from runs.tools.base import Tool, ToolError

_MAX_MESSAGE = 300  # characters; a message may quote the offending value
# An explicit registry: without one, a `$ref` to a URL would be fetched.
_NO_REMOTE_SCHEMAS: Registry[Any] = Registry()


def validate_arguments(tool: Tool, given: Any) -> dict[str, Any]:
    """The arguments as the tool may have them. Raises `ToolError` naming the first bad field.

    No arguments at all count as an empty object, and an optional field that is `null` as absent:
    models write both.
    """
    if given is None or given == "":
        given = {}
    if not isinstance(given, dict):
        raise ToolError(f"{tool.name}: the arguments must be a JSON object")
    arguments = _without_absent(tool.schema, given)
    if complaint := first_violation(tool.schema, arguments):
        raise ToolError(f"{tool.name}: {complaint}")
    return arguments


def first_violation(schema: dict[str, Any], value: Any) -> str:
    """One short sentence about the most telling violation, or "" when `value` fits."""
    try:
        validator = _validator(schema)
        # The verdict costs a fraction of the most telling complaint, and is nearly always "yes".
        if validator.is_valid(value):
            return ""
        error = best_match(validator.iter_errors(value))
    except (SchemaError, Unresolvable, RecursionError):
        return "its schema is not a valid JSON Schema"
    if error is None:
        return ""
    return f"{_field(error)}: {_message(error)}"[:_MAX_MESSAGE]


def is_costly_schema(schema: Any) -> bool:
    """Whether checking a value may take for ever: expressions that backtrack, references, pairs.

    For schemas from strangers; a model's may be its caller's.
    """
    if isinstance(schema, list):
        return any(map(is_costly_schema, schema))
    if not isinstance(schema, dict):
        return False
    return (
        isinstance(schema.get("pattern"), str)
        or "patternProperties" in schema
        or isinstance(schema.get("$ref"), str)
        or "$dynamicRef" in schema
        or schema.get("uniqueItems") is True
        or any(map(is_costly_schema, schema.values()))
    )


def is_valid_schema(schema: Any) -> bool:
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError:
        return False
    return isinstance(schema, dict)


# Validators by the identity of their schema, which each entry keeps alive so that no other schema
# can come to have the same identity.
_validators: dict[int, tuple[dict[str, Any], Draft202012Validator]] = {}
_VALIDATORS_LIMIT = 1_000


def _validator(schema: dict[str, Any]) -> Draft202012Validator:
    known = _validators.get(id(schema))
    if known is not None:
        return known[1]
    validator = Draft202012Validator(schema, registry=_NO_REMOTE_SCHEMAS)
    if len(_validators) >= _VALIDATORS_LIMIT:
        _validators.clear()
    _validators[id(schema)] = (schema, validator)
    return validator


def _without_absent(schema: dict[str, Any], arguments: dict[str, Any]) -> dict[str, Any]:
    required, properties = schema.get("required", ()), schema.get("properties", {})
    return {
        name: value
        for name, value in arguments.items()
        if value is not None
        or name in required
        or name not in properties
        or not first_violation(properties[name], None)
    }


def _field(error: Any) -> str:
    """The path of the field, `options.depth` or `tags[0]`; a missing one is named itself."""
    path = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path
    )
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        path += f".{missing}"
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        path += "." + min(name for name in error.instance if name not in known)
    return path.lstrip(".") or "arguments"


def _message(error: Any) -> str:
    if error.validator == "required":
        return "is required"
    if error.validator == "additionalProperties":
        return "is not an argument of this tool"
    if error.validator == "type":
        return f"must be of type {error.validator_value}"
    return str(error.message)
