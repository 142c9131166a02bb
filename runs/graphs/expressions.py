"""The expressions of graph documents: sandboxed Jinja2, compiled once, evaluated over the state.

The sandbox keeps documents away from the process, not from its time: who registers a graph is
trusted as far as its loops go.
"""

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jinja2 import StrictUndefined, TemplateError, Undefined, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from runs.errors import RunsError

#: A value that is one expression and nothing else keeps its type.
_LONE_EXPRESSION = re.compile(r"\s*\{\{((?:(?!\}\}|\{\{).)*)\}\}\s*", re.DOTALL)
_FIELD = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")

# Jinja's optimizer computes constants while a document is being registered, `9 ** 9 ** 9` too, and
# takes minutes over a text of deep nesting.
_make = functools.partial(ImmutableSandboxedEnvironment, autoescape=False, optimized=False)
_templates = _make(undefined=StrictUndefined)
#: What compiling can raise: Jinja's complaints, and Python's about the code that Jinja wrote.
_UNCOMPILABLE = (TemplateError, SyntaxError, ValueError, RecursionError, MemoryError)
# A condition about a field that is not there yet is false, not an error.
_conditions = _make(undefined=Undefined)


class ExpressionInvalid(RunsError):
    """The text is no expression or template, or cannot be evaluated over this state."""


def is_template(text: str) -> bool:
    return "{{" in text or "{%" in text


def check_condition(source: str) -> None:
    """Raises `ExpressionInvalid`."""
    _compile_condition(source)


def check_template(source: str) -> None:
    """Raises `ExpressionInvalid`."""
    try:
        _templates.from_string(source)
    except _UNCOMPILABLE as error:
        raise ExpressionInvalid(_reason(error)) from None


def holds(source: str, values: Mapping[str, Any]) -> bool:
    """Whether a condition is true. Raises `ExpressionInvalid` when it cannot be told."""
    try:
        return bool(_compile_condition(source)(**values))
    except ExpressionInvalid:
        raise
    except Exception as error:
        raise ExpressionInvalid(_reason(error)) from None


def demanded_text(condition: str, name: str) -> tuple[str, bool]:
    """The text that `name` must equal for the condition to hold, and whether that is all it asks.

    ("", False) when the condition cannot be read that way; nothing is evaluated.
    """
    try:
        [output] = _conditions.parse(f"{{{{ ({condition}) }}}}").body
        [expression] = output.nodes  # type: ignore[attr-defined]
    except (TemplateError, RecursionError, ValueError):
        return "", False
    if isinstance(expression, nodes.Const):
        return "", bool(expression.value)
    found = [_equals(part, name) for part in _conjuncts(expression)]
    return next(filter(None, found), ""), all(found)


def _conjuncts(expression: nodes.Node) -> list[nodes.Node]:
    if isinstance(expression, nodes.And):
        return [*_conjuncts(expression.left), *_conjuncts(expression.right)]
    return [expression]


def _equals(expression: nodes.Node, name: str) -> str:
    """The text in `name == 'text'`, "" for anything else."""
    match expression:
        case nodes.Compare(
            expr=nodes.Name(name=found),
            ops=[nodes.Operand(op="eq", expr=nodes.Const(value=str(text)))],
        ) if found == name:
            return text
    return ""


def render(source: str, values: Mapping[str, Any]) -> str:
    """A template as text. Raises `ExpressionInvalid`, also for a field that is missing."""
    if not is_template(source):
        return source
    try:
        rendered: str = _template(source).render(values)
    except Exception as error:
        raise ExpressionInvalid(_reason(error)) from None
    return rendered


def render_simple(source: str, values: Mapping[str, Any]) -> str:
    """Like `render`; a text without Jinja's braces has its `{field}`s filled instead."""
    if is_template(source):
        return render(source, values)
    missing = [name for name in _FIELD.findall(source) if name not in values]
    if missing:
        raise ExpressionInvalid(f"'{missing[0]}' is undefined")
    return _FIELD.sub(lambda match: str(values[match[1]]), source)


def render_value(value: Any, values: Mapping[str, Any]) -> Any:
    """A JSON-like value whose texts may be templates; `{{ field }}` alone keeps its type."""
    if isinstance(value, dict):
        return {key: render_value(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [render_value(item, values) for item in value]
    if not isinstance(value, str) or not is_template(value):
        return value
    lone = _LONE_EXPRESSION.fullmatch(value)
    if lone is None:
        return render(value, values)
    try:
        found = _expression(lone[1])(**values)
        if isinstance(found, Undefined):
            raise ExpressionInvalid(f"'{lone[1].strip()}' is undefined")
        return _plain(found)
    except ExpressionInvalid:
        raise
    except Exception as error:
        raise ExpressionInvalid(_reason(error)) from None


def _plain(value: Any) -> Any:
    """A result as the state could hold it. Filters like `map` yield iterators, not lists."""
    if value is None or isinstance(value, (bool, int, float, bytes)):
        return value
    if isinstance(value, str):
        return str(value)  # `escape` makes a text of another class
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, Undefined):
        return [_plain(item) for item in value]
    raise ExpressionInvalid(f"a {type(value).__name__} is no value of a state")


@functools.lru_cache(maxsize=1024)
def _compile_condition(source: str) -> Callable[..., Any]:
    try:
        compiled: Callable[..., Any] = _conditions.compile_expression(
            source, undefined_to_none=False
        )
    except _UNCOMPILABLE as error:
        raise ExpressionInvalid(_reason(error)) from None
    return compiled


@functools.lru_cache(maxsize=1024)
def _template(source: str) -> Any:
    return _templates.from_string(source)


@functools.lru_cache(maxsize=1024)
def _expression(source: str) -> Any:
    return _templates.compile_expression(source, undefined_to_none=False)


def _reason(error: BaseException) -> str:
    text = str(error).strip().partition("\n")[0]
    return text or type(error).__name__
