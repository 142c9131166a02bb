"""Tools from typed Python functions.

    @tool(side_effects="read")
    async def weather(city: Annotated[str, Field(description="Name of the city")]) -> str:
        "The weather of a city, now."

The schema comes from the signature, the description from the docstring. A parameter annotated
`ToolContext` gets the run's context and is no argument. A function that is not `async` runs in a
thread, so that it may block; cancelling a run abandons that thread, it does not stop it.
"""

import asyncio
import contextvars
import functools
import inspect
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, is_dataclass
from typing import Any, get_type_hints

from django.db import connections
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError

from runs.tools.arguments import validate_arguments
from runs.tools.base import SideEffects, Tool, ToolContext, ToolError
from runs.tools.schemas import UnsupportedSchema, tidy

__all__ = ["tool", "validate_arguments"]

_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)


def tool(
    *,
    name: str = "",
    description: str = "",
    namespace: str = "core",
    version: str = "1.0",
    side_effects: SideEffects = "none",
    idempotent: bool = True,
    permissions: tuple[str, ...] = (),
    timeout_seconds: float = 60.0,
) -> Callable[[Callable[..., Any]], Tool]:
    """A decorator that makes a `Tool`. Raises `TypeError` when the signature has no schema."""

    def decorate(function: Callable[..., Any]) -> Tool:
        signature = _Signature.of(function)
        return Tool(
            name=name or function.__name__,
            description=description or inspect.getdoc(function) or "",
            schema=_schema_of(signature.model),
            execute=_executor(function, signature),
            namespace=namespace,
            version=version,
            side_effects=side_effects,
            idempotent=idempotent,
            permissions=permissions,
            timeout_seconds=timeout_seconds,
            output_schema=_output_schema(signature.returns),
        )

    return decorate


@dataclass(frozen=True, slots=True)
class _Signature:
    model: type[BaseModel]  # of the arguments
    model_parameter: str  # set when the function takes the model itself, not its fields
    context_parameter: str
    returns: Any

    @classmethod
    def of(cls, function: Callable[..., Any]) -> "_Signature":
        hints = get_type_hints(function, include_extras=True)
        returns = hints.pop("return", Any)
        context = next((name for name, hint in hints.items() if hint is ToolContext), "")
        names = [name for name in inspect.signature(function).parameters if name != context]
        if len(names) == 1 and _is_model(hints.get(names[0])):
            return cls(hints[names[0]], names[0], context, returns)
        return cls(_model_from(function, names, hints), "", context, returns)

    def bind(self, arguments: dict[str, Any], context: ToolContext) -> dict[str, Any]:
        values = _parsed(self.model, arguments)
        bound = (
            {self.model_parameter: values}
            if self.model_parameter
            else {name: getattr(values, name) for name in type(values).model_fields}
        )
        return bound | ({self.context_parameter: context} if self.context_parameter else {})


def _is_model(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, BaseModel)


def _model_from(
    function: Callable[..., Any], names: list[str], hints: dict[str, Any]
) -> type[BaseModel]:
    parameters = inspect.signature(function).parameters
    fields: dict[str, Any] = {}
    for name in names:
        parameter = parameters[name]
        if name not in hints or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise TypeError(f"{function.__name__}: parameter {name} needs a type of its own")
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[name] = (hints[name], default)
    return create_model(
        function.__name__, __config__=ConfigDict(arbitrary_types_allowed=False), **fields
    )


def _schema_of(model: type[BaseModel]) -> dict[str, Any]:
    try:
        schema = tidy(model.model_json_schema())
    except (
        PydanticInvalidForJsonSchema,
        PydanticSchemaGenerationError,
        UnsupportedSchema,
    ) as error:
        raise TypeError(f"{model.__name__}: {error}") from error
    schema.pop("description", None)  # the model's docstring; the tool has its own description
    return schema if "properties" in schema else _EMPTY_OBJECT


_EMPTY_OBJECT: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}


def _output_schema(returns: Any) -> dict[str, Any] | None:
    if returns in (Any, None, type(None)):
        return None
    try:
        schema = tidy(TypeAdapter(returns).json_schema(mode="serialization"))
    except (PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, UnsupportedSchema):
        return None
    if schema.get("type") == "object":
        return schema
    return {"type": "object", "properties": {"result": schema}, "required": ["result"]}


def _executor(
    function: Callable[..., Any], signature: _Signature
) -> Callable[[dict[str, Any], ToolContext], Awaitable[Any]]:
    call = function if inspect.iscoroutinefunction(function) else _in_a_thread(function)

    async def execute(arguments: dict[str, Any], context: ToolContext) -> Any:
        return as_object(await call(**signature.bind(arguments, context)))

    return execute


def _in_a_thread(function: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """A thread of its own per call, and a daemon: one that blocks for ever holds up neither other
    calls, as it would in a pool, nor the end of the process."""

    @functools.wraps(function)
    async def call_in_thread(**arguments: Any) -> Any:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        call = functools.partial(contextvars.copy_context().run, function, **arguments)
        threading.Thread(
            target=_work, args=(call, loop, done), name=f"tool {function.__name__}", daemon=True
        ).start()
        return await done

    return call_in_thread


def _work(
    call: Callable[[], Any], loop: asyncio.AbstractEventLoop, done: "asyncio.Future[Any]"
) -> None:
    result: Any = None
    error: BaseException | None = None
    try:
        result = call()
    except StopIteration:
        error = RuntimeError("the tool raised StopIteration")  # no future takes it
    except BaseException as raised:
        error = raised
    finally:
        connections.close_all()  # this thread's own
    with suppress(RuntimeError):  # the loop has closed: nobody waits any more
        loop.call_soon_threadsafe(_settle, done, result, error)


def _settle(done: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    if done.done():
        return  # the call was cancelled
    if error is None:
        done.set_result(result)
    else:
        done.set_exception(error)


def _parsed(model: type[BaseModel], arguments: dict[str, Any]) -> BaseModel:
    try:
        return model.model_validate(arguments)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "arguments"
        raise ToolError(f"{field}: {first['msg']}"[:300]) from error


def as_object(value: Any) -> Any:
    """What the log and the model get: JSON-like, and an object; a scalar becomes its `result`."""
    if isinstance(value, BaseModel) or (is_dataclass(value) and not isinstance(value, type)):
        value = _ANYTHING.dump_python(value, mode="json")
    return dict(value) if isinstance(value, Mapping) else {"result": value}
