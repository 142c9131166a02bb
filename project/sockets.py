"""What WebSockets meet before and beside their consumers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from io import BytesIO
from typing import Any
from urllib.parse import ParseResult

from channels.security.websocket import OriginValidator
from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse

from accounts import errors as accounts
from project.api_errors import response_to
from project.lib.ids import new_ulid

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

HANG_UP_SECONDS = 2.0  # for a client who was refused


class OriginCheck(OriginValidator):  # type: ignore[misc]
    """Other sites' pages are turned away. Programs, which name no Origin, are let through."""

    def __init__(self, application: Application) -> None:
        super().__init__(application, [*settings.ALLOWED_HOSTS, *settings.CSRF_TRUSTED_ORIGINS])

    def valid_origin(self, parsed_origin: ParseResult | None) -> bool:
        return parsed_origin is None or bool(super().valid_origin(parsed_origin))


async def refuse_unknown_path(scope: Scope, receive: Receive, send: Send) -> None:
    """Close before accepting: the client's handshake fails with 403."""
    await receive()
    await send({"type": "websocket.close", "code": 4404})


Words = Mapping[type[Exception], tuple[int, str]]

#: How clients of `/ws` are refused: by plain text.
CHAT_WORDS: Words = {
    accounts.MissingCredential: (401, "Missing token parameter"),
    accounts.InvalidCredential: (401, "Invalid token"),
    accounts.CredentialStoreUnavailable: (500, "Auth error"),
}


def answering_refusals(application: Application, words: Words | None = None) -> Application:
    """A refusal raised before the handshake gets the answer that it would get over HTTP.

    With `words` its body is plain text; they have those that clients know by their wording.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await application(scope, receive, send)
        except Exception as error:
            if not await _refuse(scope, receive, send, error, words):
                raise

    return answer


async def _refuse(
    scope: Scope, receive: Receive, send: Send, error: Exception, words: Words | None
) -> bool:
    response = response_to(ASGIRequest({**scope, "method": "GET"}, BytesIO()), error)
    if response is None:
        return False
    if words is not None:
        _put_plainly(response, error, words)
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": 4403})  # the handshake fails with 403
        return True
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Request-Id"] = new_ulid()
    headers = [(name.encode(), value.encode("latin-1")) for name, value in response.items()]
    start = {"type": "websocket.http.response.start", "status": response.status_code}
    await send({**start, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": response.content})
    with suppress(TimeoutError):
        async with asyncio.timeout(HANG_UP_SECONDS):
            # Uvicorn logs an error when an application returns before the connection is gone: the
            # first message says that we refused, the second that it is.
            await receive()
            await receive()
    return True


def _put_plainly(response: HttpResponse, error: Exception, words: Words) -> None:
    known = next((words[kind] for kind in type(error).__mro__ if kind in words), None)
    response.status_code, text = known or (response.status_code, str(error))
    response.content = text.encode()
    response.headers["Content-Type"] = "text/plain; charset=utf-8"
