"""`/api/sessions…`: the conversations that a caller may see."""

from typing import Any, ClassVar

from django.http import HttpResponse

from accounts import capabilities
from chat.api.base import ApiRequest, GatewayView, json_response
from chat.api.bodies import Body, read_body
from chat.api.queries import read_limit
from chat.api.schema_sessions import (
    describe_archive,
    describe_messages,
    describe_read,
    describe_session,
    describe_sessions,
)
from chat.api.shapes import moment
from chat.models import Message, Session
from chat.services.sessions import archive_session, find_session, list_sessions, mark_read
from chat.services.transcripts import transcript_of

LIST_DEFAULT, LIST_MAX = 20, 200


class ReadBody(Body):
    is_read: bool | None = None


class ArchiveBody(Body):
    archived: bool


@describe_sessions
class SessionsView(GatewayView):
    capabilities: ClassVar = {"GET": capabilities.CHAT_USE}

    def get(self, request: ApiRequest) -> HttpResponse:
        limit = read_limit(request, default=LIST_DEFAULT, most=LIST_MAX)
        return json_response([as_object(row) for row in list_sessions(request.principal, limit)])


@describe_session
class SessionView(GatewayView):
    capabilities: ClassVar = {"GET": capabilities.CHAT_USE}

    def get(self, request: ApiRequest, session_id: str) -> HttpResponse:
        return json_response(as_object(find_session(request.principal, session_id)))


@describe_messages
class MessagesView(GatewayView):
    capabilities: ClassVar = {"GET": capabilities.CHAT_USE}

    def get(self, request: ApiRequest, session_id: str) -> HttpResponse:
        session = find_session(request.principal, session_id)
        return json_response([_message(row) for row in transcript_of(session)])


@describe_read
class ReadView(GatewayView):
    capabilities: ClassVar = {"POST": capabilities.CHAT_USE}

    def post(self, request: ApiRequest, session_id: str) -> HttpResponse:
        body = read_body(request, ReadBody)
        mark_read(request.principal, session_id, is_read=body.is_read is not False)
        return json_response({"ok": True})


@describe_archive
class ArchiveView(GatewayView):
    capabilities: ClassVar = {"POST": capabilities.CHAT_USE}

    def post(self, request: ApiRequest, session_id: str) -> HttpResponse:
        body = read_body(request, ArchiveBody)
        archive_session(request.principal, session_id, is_archived=body.archived)
        return json_response({"ok": True})


def as_object(session: Session) -> dict[str, Any]:
    return {
        "id": session.pk,
        "created_at": moment(session.created_at),
        "last_message_at": moment(session.last_message_at),
        "is_closed": session.is_closed,
        "summary": session.summary or None,
        "title": session.title or None,
        "message_count": session.message_count,
        "channel": session.channel,
        "channel_session_key": session.key or None,
        "user_id": session.owner,
        "is_read": session.is_read,
        "is_archived": session.is_archived,
        "triggered_by": session.triggered_by or None,
    }


def _message(row: Message) -> dict[str, Any]:
    return {
        "id": row.pk,
        "session_id": row.session_id,
        "role": row.role,
        "content": row.content,
        "timestamp": moment(row.timestamp),
    }
