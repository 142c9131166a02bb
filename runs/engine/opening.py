"""What an agent begins with beside its prompt: a conversation so far, and the run's own options.

Both come from state fields that the agent's configuration names, so they are recorded with the
run's inputs, and a replay or a fork begins with the same.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from runs.engine.message_maps import images_of, message_from_map
from runs.errors import InvalidInput
from runs.graphs.configs import AgentConfig
from runs.providers.base import ImageRef, Message

MAX_TURNS = 1_000


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class AgentOptions(_Strict):
    """What one run may choose for itself: its limit of turns, and parameters for the provider."""

    max_turns: int | None = Field(None, ge=1, le=MAX_TURNS)
    params: dict[str, Any] = Field(default_factory=dict)


class _Use(_Strict):
    call_id: str = Field(min_length=1)
    tool: str = Field(min_length=1)
    args: Any


class _Image(_Strict):
    digest: str = Field(pattern="^[0-9a-f]{64}$")
    media_type: Literal["image/png", "image/jpeg", "image/gif", "image/webp"]


class _User(_Strict):
    role: Literal["user"]
    text: str
    images: tuple[_Image, ...] = Field((), strict=False)


class _Assistant(_Strict):
    role: Literal["assistant"]
    text: str = ""
    tool_uses: tuple[_Use, ...] = Field((), strict=False)


class _ToolResult(_Strict):
    role: Literal["tool"]
    call_id: str = Field(min_length=1)
    tool: str = ""
    result: Any = None
    is_error: bool = False


_HISTORY: TypeAdapter[list[_User | _Assistant | _ToolResult]] = TypeAdapter(
    list[Annotated[_User | _Assistant | _ToolResult, Field(discriminator="role")]]
)

_IMAGES: TypeAdapter[list[_Image]] = TypeAdapter(list[_Image])


def check_opening(config: AgentConfig, values: Mapping[str, Any]) -> None:
    """Raises `InvalidInput` for a conversation or options that no agent can begin with."""
    if config.history is not None:
        _complain(config.history, lambda value: _paired(_HISTORY.validate_python(value)), values)
    if config.options is not None:
        _complain(config.options, AgentOptions.model_validate, values)
    if config.images is not None:
        _complain(config.images, _IMAGES.validate_python, values)


def history_of(config: AgentConfig, values: Mapping[str, Any]) -> list[Message]:
    """The conversation before the prompt; empty for an agent that has none."""
    shown = values.get(config.history) if config.history is not None else None
    return [message_from_map(item) for item in shown or ()]


def prompt_images(config: AgentConfig, values: Mapping[str, Any]) -> tuple[ImageRef, ...]:
    """What belongs to the prompt beside its text."""
    shown = values.get(config.images) if config.images is not None else None
    return images_of(shown or ())


def with_options(config: AgentConfig, values: Mapping[str, Any]) -> AgentConfig:
    """The configuration as this run wants it; the same object when it wants nothing."""
    chosen = values.get(config.options) if config.options is not None else None
    if not chosen:
        return config
    options = AgentOptions.model_validate(chosen)
    changes: dict[str, Any] = {"params": {**config.params, **options.params}}
    if options.max_turns is not None:
        changes["max_turns"] = options.max_turns
    return config.model_copy(update=changes)


def _complain(field: str, check: Any, values: Mapping[str, Any]) -> None:
    value = values.get(field)
    if not value:
        return
    try:
        check(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"] if part not in _ROLES)
        name = f"inputs.{field}.{where}" if where else f"inputs.{field}"
        raise InvalidInput(f"{name}: {first['msg']}", field=name) from None
    except ValueError as error:
        raise InvalidInput(f"inputs.{field}: {error}", field=f"inputs.{field}") from None


_ROLES = frozenset({"user", "assistant", "tool"})


def _paired(history: list[_User | _Assistant | _ToolResult]) -> None:
    """Providers accept no call without its result right behind it, and no result without a call."""
    open_calls: list[str] = []
    for item in history:
        if isinstance(item, _ToolResult):
            if item.call_id not in open_calls:
                raise ValueError(f"a result of {item.call_id!r}, which nobody asked for")
            open_calls.remove(item.call_id)
        elif open_calls:
            raise ValueError(f"the call {open_calls[0]!r} has no result")
        elif isinstance(item, _Assistant):
            open_calls = [use.call_id for use in item.tool_uses]
    if open_calls:
        raise ValueError(f"the call {open_calls[0]!r} has no result")
