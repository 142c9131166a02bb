"""What the OpenAI-compatible routes take and answer, for the OpenAPI document."""

from typing import Any, Literal

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from drf_spectacular.utils import extend_schema_view as describe
from pydantic import Field

from chat.openai_api.requests import CompletionBody
from runs.api.shapes import ABSENT, Shape

_TAGS = ["OpenAI"]
_REFUSALS = {
    400: "The request is malformed, or asks for what is not supported; `param` names it",
    401: "No credential, or a wrong one",
    403: "The caller lacks the capability",
    404: "There is no such model",
    409: "The run does not wait, was cancelled, or the Idempotency-Key came with another body",
    413: "The body is too large",
    429: "A spending limit is reached, or too many requests were sent",
    502: "The model's provider failed",
    503: "There is no room now; `Retry-After` says when to try again",
    504: "The model's provider took too long",
}


class OpenAiErrorFacts(Shape):
    message: str
    type: str
    param: str | None
    code: str | None


class OpenAiError(Shape):
    error: OpenAiErrorFacts


class OpenAiModel(Shape):
    id: str = Field(description="A graph's id, or `provider/model`")
    object: Literal["model"]
    created: int
    owned_by: str


class OpenAiModels(Shape):
    object: Literal["list"]
    data: list[OpenAiModel]


class CompletionMessage(Shape):
    role: Literal["assistant"]
    content: str
    refusal: None


class CompletionChoice(Shape):
    index: int
    message: CompletionMessage
    logprobs: None
    finish_reason: Literal["stop", "length", "content_filter"]


class PromptDetails(Shape):
    cached_tokens: int


class CompletionUsage(Shape):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails


class ChatCompletion(Shape):
    id: str = Field(description="`chatcmpl-` and the id of the run")
    object: Literal["chat.completion"]
    created: int
    model: str
    system_fingerprint: None
    choices: list[CompletionChoice]
    usage: CompletionUsage
    awaiting_input: bool = Field(ABSENT, description="The run waits for an answer to its text")
    run_id: str = Field(ABSENT, description="To be sent with the answer")


def _refusals(*statuses: int) -> dict[int | tuple[int, str], Any]:
    return {
        status: OpenApiResponse(OpenAiError, _REFUSALS[status])
        for status in (*statuses, 401, 403, 429)
    }


describe_models = describe(
    get=extend_schema(
        operation_id="listModels",
        summary="List what may be named as a model",
        description="Each graph that answers with text, and each configured model.",
        tags=_TAGS,
        responses={200: OpenAiModels, **_refusals()},
    )
)
describe_model = describe(
    get=extend_schema(
        operation_id="getModel",
        summary="Read one of them",
        description="A name may contain slashes.",
        tags=_TAGS,
        responses={200: OpenAiModel, **_refusals(404)},
    )
)
describe_completions = describe(
    post=extend_schema(
        operation_id="createChatCompletion",
        summary="Answer a conversation",
        description=(
            "Each completion is a run. With `stream` the answer comes as server-sent events of "
            "chunks, then `[DONE]`."
        ),
        tags=_TAGS,
        request={"application/json": CompletionBody},
        parameters=[
            OpenApiParameter(
                "Idempotency-Key",
                str,
                OpenApiParameter.HEADER,
                description="The same key and body again get the same run",
            ),
            OpenApiParameter(
                "X-Run-Id",
                str,
                OpenApiParameter.HEADER,
                description="The run that answers",
                response=[200],
            ),
        ],
        responses={
            (200, "application/json"): ChatCompletion,
            (200, "text/event-stream"): OpenApiResponse(OpenApiTypes.STR, "The chunks"),
            **_refusals(400, 404, 409, 413, 502, 503, 504),
        },
    )
)
