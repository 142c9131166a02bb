"""What the session routes take and answer, for the OpenAPI document."""

from collections.abc import Callable
from typing import Any, Literal

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from drf_spectacular.utils import extend_schema_view as describe
from pydantic import BaseModel, Field, RootModel

from chat.api.shapes import Marked, Moment
from runs.api.shapes import ErrorBody, Shape

_REFUSALS = {
    400: "A value is out of range, or the body is not JSON",
    401: "No credential, or a wrong one",
    403: "The caller lacks the capability",
    404: "There is no such session, or the caller may not see it",
    415: "The body is not sent as JSON",
    422: "A field is missing or has another type",
    429: "Too many requests, or too many wrong credentials",
}


class SessionObject(Shape):
    id: str = Field(description="UUID")
    created_at: str = Moment
    last_message_at: str = Moment
    is_closed: bool
    summary: str | None = Field(description="Why it was closed")
    title: str | None = Field(description="What was said first")
    message_count: int = Field(description="Messages of users")
    channel: Literal["main", "telegram", "email", "slack"]
    channel_session_key: str | None = Field(description="Continues the conversation")
    user_id: str = Field(description="Whose it is")
    is_read: bool
    is_archived: bool
    triggered_by: str | None = Field(description="The cron job that began it")


class SessionList(RootModel[list[SessionObject]]):
    pass


class MessageObject(Shape):
    id: int
    session_id: str
    role: Literal["user", "assistant", "tool_use", "tool_result"]
    content: str = Field(description="Text; of tools the JSON text of the call or its result")
    timestamp: str = Moment


class MessageList(RootModel[list[MessageObject]]):
    pass


class ReadRequest(BaseModel):
    is_read: bool | None = Field(True, description="True when left out")


class ArchiveRequest(BaseModel):
    archived: bool


def _refusals(*statuses: int) -> dict[int, Any]:
    return {
        status: OpenApiResponse(ErrorBody, _REFUSALS[status])
        for status in sorted({401, 403, 429, *statuses})
    }


def _operation(name: str, summary: str, **facts: Any) -> Callable[..., Any]:
    facts.setdefault("description", f"{summary}.")
    return extend_schema(operation_id=name, summary=summary, tags=["Chat"], **facts)


describe_sessions = describe(
    get=_operation(
        "listSessions",
        "List conversations that are not archived, the newest message first",
        parameters=[
            OpenApiParameter(
                "limit",
                {"type": "integer", "minimum": 0, "default": 20},
                description="Above 200 it counts as 200",
            )
        ],
        responses={200: SessionList, **_refusals(400)},
    )
)

describe_session = describe(
    get=_operation(
        "getSession", "Read a conversation", responses={200: SessionObject, **_refusals(404)}
    )
)

describe_messages = describe(
    get=_operation(
        "listMessages",
        "Read everything that was said in a conversation, in order",
        responses={200: MessageList, **_refusals(404)},
    )
)

describe_read = describe(
    post=_operation(
        "markSessionRead",
        "Mark a conversation as read or unread",
        request={"application/json": ReadRequest},
        responses={200: Marked, **_refusals(400, 404, 415, 422)},
    )
)

describe_archive = describe(
    post=_operation(
        "archiveSession",
        "Take a conversation out of the list, or put it back",
        request={"application/json": ArchiveRequest},
        responses={200: Marked, **_refusals(400, 404, 415, 422)},
    )
)
