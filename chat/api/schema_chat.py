"""What `/api/chat` takes and answers, for the OpenAPI document."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from drf_spectacular.utils import extend_schema_view as describe
from pydantic import BaseModel, Field

from runs.api.requests import KEY_MAX_CHARS
from runs.api.shapes import ABSENT, ErrorBody, Shape

_REFUSALS = {
    400: "The body is not JSON, the text is blank, or the model is not among the configured ones",
    401: "No credential, or a wrong one",
    403: "The caller may not chat",
    409: "The Idempotency-Key came with another message",
    413: "The body is too large",
    415: "The body is not `application/json`",
    422: "A field is missing or of another type",
    429: "Too many requests, or too many wrong credentials",
    502: "The model failed",
    503: "The queue is full, the server stops, or the provider has no room",
    504: "The provider did not answer in time",
}


class ChatUsage(Shape):
    input_tokens: int = Field(description="Without cached ones")
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cost_usd: float


class Attachment(Shape):
    file_name: str
    mime_type: str
    data: str = Field(description="Base64")


class ChatReply(Shape):
    text: str = Field(description="All that was said, a line between two turns")
    session_id: str
    usage: ChatUsage
    attachments: list[Attachment] = Field(
        ABSENT, description="Files that the assistant attached, of at most 20 MB"
    )
    awaiting_input: bool = Field(
        ABSENT, description="True when the text is a question: the next message answers it"
    )
    run_id: str = Field(ABSENT, description="Of the run that asks")


def _answers() -> dict[int, Any]:
    refusals: dict[int, Any] = {
        status: OpenApiResponse(ErrorBody, meaning) for status, meaning in _REFUSALS.items()
    }
    return {200: OpenApiResponse(ChatReply, "The answer"), **refusals}


def describe_chat(body: type[BaseModel]) -> Any:
    """The decorator of the view, whose body is described as it is checked."""
    return describe(
        post=extend_schema(
            operation_id="chat",
            summary="Say something and wait for the answer",
            description=(
                "A message becomes a run of the graph `chat`. The same `channel_session_key` goes "
                "on with the conversation; several messages at once are answered in their order."
            ),
            tags=["Chat"],
            request={"application/json": body},
            parameters=[
                OpenApiParameter(
                    "Idempotency-Key",
                    str,
                    OpenApiParameter.HEADER,
                    description=f"At most {KEY_MAX_CHARS} printable characters: the same key and "
                    "message again get the first answer",
                )
            ],
            responses=_answers(),
            examples=[
                OpenApiExample(
                    "A message", value={"text": "Two uses of an event log?"}, request_only=True
                )
            ],
        )
    )
