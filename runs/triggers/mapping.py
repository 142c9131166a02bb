"""From the body of a webhook request to the inputs of a run.

A mapping names the input fields and gives each a template over `body`, and over `event`: what
`X-GitHub-Event` said. A template that is one expression and nothing else keeps its value's type, so
that a number or a list stays one. Other values than strings are taken as they are.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import orjson
from jinja2 import StrictUndefined, TemplateError, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from runs.errors import InvalidInput

MAX_TEXT = 1024 * 1024  # characters of one rendered field
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_ONE_EXPRESSION = re.compile(r"\s*\{\{-?((?:(?!\}\}|\{\{).)*?)-?\}\}\s*", re.DOTALL)

_environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)

Render = Callable[..., Any]


def check_mapping(mapping: Any) -> None:
    """Raise `InvalidInput` for what is no mapping of field names to templates and values."""
    if not isinstance(mapping, dict):
        raise InvalidInput("expected an object of input fields and templates", field="mapping")
    for name, value in mapping.items():
        if not isinstance(name, str) or not _FIELD.fullmatch(name):
            raise InvalidInput(f"{name!r} is no name of an input field", field="mapping")
        if isinstance(value, str):
            try:
                _compiled(value)
            except TemplateError as error:
                raise InvalidInput(f"{name}: {error}", field="mapping") from None


def map_body(
    mapping: Mapping[str, Any], *, body: dict[str, Any], event: str, fields: frozenset[str] | None
) -> dict[str, Any]:
    """The inputs that `body` stands for. Raises `InvalidInput`.

    Without a mapping they are the body's own fields: those the graph declares (`fields`), and
    the whole body where it declares a field `body`; all of them when it declares nothing.
    """
    if mapping:
        return {name: _value(name, value, body, event) for name, value in mapping.items()}
    if fields is None:
        return dict(body)
    whole = {"body": body} if "body" in fields else {}
    return whole | {name: value for name, value in body.items() if name in fields}


def _value(name: str, template: Any, body: dict[str, Any], event: str) -> Any:
    if not isinstance(template, str):
        return template
    try:
        value = _compiled(template)(body=body, event=event)
        if isinstance(value, Undefined):
            value._fail_with_undefined_error()
        value = orjson.loads(orjson.dumps(str(value) if isinstance(value, str) else value))
    except orjson.JSONEncodeError:
        # `body.items`, say, which is a method: the field is body["items"].
        raise InvalidInput(f"{name}: the template gives no JSON value", field=name) from None
    except TemplateError as error:
        raise InvalidInput(f"{name}: {error}", field=name) from None
    except Exception as error:
        # A template is a small program: division by zero, a filter that wants another type.
        raise InvalidInput(f"{name}: {type(error).__name__} in the template", field=name) from None
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise InvalidInput(f"{name}: longer than {MAX_TEXT} characters", field=name)
    return value


@lru_cache(maxsize=256)
def _compiled(template: str) -> Render:
    only = _ONE_EXPRESSION.fullmatch(template)
    if only:
        return _environment.compile_expression(only[1], undefined_to_none=False)
    return _environment.from_string(template).render
