"""Bodies of chat completions, checked and typed. What is not here is said, not ignored.

Parameters that only tune are passed on to the provider; those that would change what the answer is
(tools of the client, formats, several choices) are refused by name. Unknown fields are ignored.
"""

from typing import Any, Literal

import orjson
from django.http import HttpRequest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chat.errors import CompletionRefused
from chat.openai_api.messages import MessageItem
from runs.storable import Unstorable, complaint_about, read_json

#: Passed on under the same name.
_TUNING = (
    "temperature",
    "top_p",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "reasoning_effort",
)
_NO_TOOLS = (
    "tools of the client are not supported: agents use the tools of this server, which are "
    "executed during the run"
)
MAX_MESSAGES = 10_000


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class StreamOptions(_Part):
    include_usage: bool | None = None


class ResponseFormat(_Part):
    type: str


class CompletionBody(_Part):
    """A conversation that is to be continued."""

    model: str = Field(min_length=1, max_length=300)
    messages: list[MessageItem] = Field(min_length=1, max_length=MAX_MESSAGES)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(None, ge=1, le=10_000_000)
    max_completion_tokens: int | None = Field(None, ge=1, le=10_000_000)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    reasoning_effort: Literal["minimal", "low", "medium", "high"] | None = None
    stop: str | list[str] | None = None
    metadata: dict[str, str] | None = None
    n: int | None = None
    tools: list[Any] | None = None
    functions: list[Any] | None = None
    response_format: ResponseFormat | None = None
    logprobs: bool | None = None
    modalities: list[str] | None = None
    #: A run that waits for an answer, from an earlier completion: the last message is the answer.
    run_id: str | None = Field(None, max_length=64, pattern="^[A-Za-z0-9_-]+$")

    @property
    def params(self) -> dict[str, Any]:
        """What the provider is told."""
        params = {name: getattr(self, name) for name in _TUNING if getattr(self, name) is not None}
        limit = self.max_completion_tokens or self.max_tokens
        if limit:
            params["max_tokens"] = limit
        if self.stop:
            params["stop_sequences"] = [self.stop] if isinstance(self.stop, str) else self.stop
        return params

    @property
    def includes_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)


def read_completion(request: HttpRequest) -> tuple[CompletionBody, Any]:
    """The body, and the JSON that it was. Raises `CompletionRefused`."""
    try:
        sent = read_json(request.body)
    except orjson.JSONDecodeError:
        raise CompletionRefused("The request body is not valid JSON", field="") from None
    except Unstorable as error:
        raise CompletionRefused(f"The request body: {error}", field="") from None
    if not isinstance(sent, dict):
        raise CompletionRefused("The request body must be a JSON object", field="")
    if said := complaint_about(sent):
        raise CompletionRefused(f"The request body: {said}", field="")
    try:
        body = CompletionBody.model_validate_json(request.body)
    except ValidationError as error:
        raise _complaint(error) from None
    _refuse_unsupported(body)
    return body, sent


def _refuse_unsupported(body: CompletionBody) -> None:
    for name, asked in (("tools", body.tools), ("functions", body.functions)):
        if asked:
            raise _unsupported(name, _NO_TOOLS)
    if body.n not in (None, 1):
        raise _unsupported("n", "one choice is made, not several")
    if body.response_format is not None and body.response_format.type != "text":
        raise _unsupported("response_format", "answers are text")
    if body.logprobs:
        raise _unsupported("logprobs", "probabilities of tokens are not known here")
    if body.modalities and body.modalities != ["text"]:
        raise _unsupported("modalities", "answers are text")


def _unsupported(name: str, why: str) -> CompletionRefused:
    return CompletionRefused(f"{name}: {why}", field=name, code="unsupported_parameter")


def _complaint(error: ValidationError) -> CompletionRefused:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    name = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]
    ).removeprefix(".")
    if first["type"] == "missing":
        return CompletionRefused(
            f"Missing required parameter: '{name}'", field=name, code="missing_required_parameter"
        )
    return CompletionRefused(f"{name}: {first['msg']}", field=name, code="invalid_value")
