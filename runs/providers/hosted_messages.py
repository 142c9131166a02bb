"""Our messages, tools and parameters in pydantic-ai's words, for every hosted provider."""

import base64
import json
from collections.abc import Mapping
from typing import Any, cast

from pydantic_ai.messages import (
    BinaryContent,
    ModelMessage,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserContent,
    UserPromptPart,
)
from pydantic_ai.messages import InstructionPart as Instruction
from pydantic_ai.messages import ModelRequest as PromptMessage
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from runs.providers.base import Message, ModelRequest, ToolSpec

#: Parameters every adapter understands (it drops those its provider has no word for).
_COMMON_PARAMS = frozenset(
    {
        "max_tokens",
        "temperature",
        "top_p",
        "top_k",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "stop_sequences",
        "parallel_tool_calls",
        "thinking",
        "service_tier",
        "cache",
    }
)
#: What the request itself decides; a parameter cannot contradict it.
_RESERVED_PARAMS = frozenset(
    {"model", "messages", "system", "tools", "tool_choice", "stream", "stream_options"}
)
_TAKES_EXTRA_BODY = frozenset({"openai", "anthropic", "openrouter", "ollama", "local"})
_ANTHROPIC_MAX_TOKENS = 4096


def prompt_messages(
    request: ModelRequest, images: Mapping[str, bytes] | None = None
) -> list[ModelMessage]:
    """The history as alternating prompts and responses; neighbours of one side share a message.

    `images` has the bytes by their digest; what is not in there is left out.
    """
    history: list[ModelMessage] = []
    for message in request.messages:
        if message.role == "assistant":
            _add_response(history, message)
        else:
            _add_prompt(history, _prompt_part(message, images or {}))
    return history


def _add_response(history: list[ModelMessage], message: Message) -> None:
    parts: list[ModelResponsePart] = [TextPart(message.text)] if message.text else []
    parts += [
        ToolCallPart(use.tool, json_text(use.args), tool_call_id=use.call_id)
        for use in message.tool_uses
    ]
    if parts:  # an empty answer says nothing, and most providers refuse it
        history.append(ModelResponse(parts))


def _add_prompt(history: list[ModelMessage], part: ModelRequestPart) -> None:
    if history and isinstance(history[-1], PromptMessage):
        history[-1] = PromptMessage([*history[-1].parts, part])
    else:
        history.append(PromptMessage([part]))


def _prompt_part(message: Message, images: Mapping[str, bytes]) -> ModelRequestPart:
    if message.role == "user":
        shown: list[UserContent] = [
            BinaryContent(data=images[image.digest], media_type=image.media_type)
            for image in message.images
            if image.digest in images
        ]
        return UserPromptPart([message.text, *shown] if shown else message.text)
    # Where the wire format has no flag for a failure, pydantic-ai writes it into the content.
    return ToolReturnPart(
        tool_name=message.tool,
        content=json_text(message.result),
        tool_call_id=message.call_id,
        outcome="failed" if message.is_error else "success",
    )


def json_text(value: Any) -> str:
    """A tool's result or arguments as text: strings as they are, bytes as base64."""
    return value if isinstance(value, str) else json.dumps(value, default=_bytes_as_base64)


def _bytes_as_base64(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value)


def request_parameters(request: ModelRequest, profile: ModelProfile) -> ModelRequestParameters:
    parameters = ModelRequestParameters(
        function_tools=[_tool(spec) for spec in request.tools],
        instruction_parts=[Instruction(request.system)] if request.system else None,
    )
    if request.output_schema is not None:
        parameters.output_object = OutputObjectDefinition(
            json_schema=request.output_schema, name="answer"
        )
        # Where the provider cannot enforce a schema, the instructions ask for it.
        enforces = profile.get("supports_json_schema_output", False)
        parameters.output_mode = "native" if enforces else "prompted"
    return parameters


def _tool(spec: ToolSpec) -> ToolDefinition:
    # Not strict: a strict schema is rewritten, and the arguments are validated by us anyway.
    return ToolDefinition(
        name=spec.name,
        description=spec.description,
        parameters_json_schema=spec.schema,
        strict=False,
    )


def model_settings(provider_id: str, request: ModelRequest) -> ModelSettings:
    known = {name: value for name, value in request.params.items() if name in _COMMON_PARAMS}
    if provider_id == "anthropic":
        known.setdefault("max_tokens", _ANTHROPIC_MAX_TOKENS)
    if provider_id in _TAKES_EXTRA_BODY:
        extra = request.params.keys() - _COMMON_PARAMS - _RESERVED_PARAMS
        if extra:
            known["extra_body"] = {name: request.params[name] for name in sorted(extra)}
        if request.idempotency_key:
            known["extra_headers"] = {"Idempotency-Key": request.idempotency_key}
    return cast(ModelSettings, known)
