"""A backend behind HTTP: the API that `instances.backends.http` speaks, in front of any `Backend`.

Every request needs the key; nothing about this server is told without it.
"""

import asyncio
import hmac
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

import orjson
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, ExceptionHandler, Receive, Scope, Send

from accounts.attempts import network_of
from instances import errors
from instances.backends.base import Backend
from instances.logs import as_line
from instances.objects import LogEntry, Report, is_instance_id
from project.lib.tasks import end_task

logger = logging.getLogger(__name__)

BODY_BYTES = 16 * 1024
DEFAULT_TAIL, MOST_TAIL = 50, 10_000
#: From one address; in this process alone, which needs no database.
WRONG_KEYS = RateLimitItemPerMinute(30)

_STATUSES: Mapping[type[errors.InstancesError], int] = {
    errors.InstanceNotFound: 404,
    errors.NotSupported: 501,
    errors.BackendBusy: 503,
    errors.BackendTimedOut: 504,
}


class Serving:
    """`app` is the ASGI application. `end_streams` ends the logs that somebody follows."""

    def __init__(self, backend: Backend, *, api_key: str, shows_addresses: bool) -> None:
        self._backend = backend
        self._shows_addresses = shows_addresses
        self._is_ending = asyncio.Event()
        handlers: dict[Any, ExceptionHandler] = {
            errors.InstancesError: _refusal,  # type: ignore[dict-item]  # of this class only
            HTTPException: _refusal_of_http,  # type: ignore[dict-item]
            Exception: _failure,
        }
        self.app = Starlette(
            routes=self._routes(),
            middleware=[Middleware(_KeyCheck, api_key=api_key)],
            exception_handlers=handlers,
        )

    def end_streams(self) -> None:
        self._is_ending.set()

    def _routes(self) -> list[Route]:
        one = "/instances/{instance_id}"
        return [
            Route("/instances", self._list, methods=["GET"]),
            Route("/instances", self._create, methods=["POST"]),
            Route(one, self._get, methods=["GET"]),
            Route(one, self._kill, methods=["DELETE"]),
            Route(f"{one}/pause", self._pause, methods=["POST"]),
            Route(f"{one}/restart", self._restart, methods=["POST"]),
            Route(f"{one}/health", self._health, methods=["GET"]),
            Route(f"{one}/logs", self._logs, methods=["GET"]),
            Route(f"{one}/ssh", self._ssh, methods=["GET"]),
        ]

    async def _list(self, request: Request) -> Response:
        reports = await self._backend.list_instances()
        return _json([self._instance(report) for report in reports])

    async def _create(self, request: Request) -> Response:
        wanted = await _create_request(request)
        report = await self._backend.create(name=wanted.name, region=wanted.region)
        _log("create", report.id)
        return _json(self._instance(report), status=201)

    async def _get(self, request: Request) -> Response:
        return _json(self._instance(await self._backend.get(_id_of(request))))

    async def _kill(self, request: Request) -> Response:
        instance_id = _id_of(request)
        await self._backend.kill(instance_id)
        _log("kill", instance_id)
        return Response(status_code=204)

    async def _pause(self, request: Request) -> Response:
        instance_id = _id_of(request)
        await self._backend.pause(instance_id)
        _log("pause", instance_id)
        return Response(status_code=204)

    async def _restart(self, request: Request) -> Response:
        instance_id = _id_of(request)
        await self._backend.restart(instance_id)
        _log("restart", instance_id)
        return Response(status_code=204)

    async def _health(self, request: Request) -> Response:
        return _json(asdict(await self._backend.health(_id_of(request))))

    async def _ssh(self, request: Request) -> Response:
        return _json(asdict(await self._backend.ssh_access(_id_of(request))))

    async def _logs(self, request: Request) -> Response:
        instance_id, tail = _id_of(request), _tail_of(request)
        follow = request.query_params.get("follow", "true").lower() not in ("false", "0", "no")
        await self._backend.get(instance_id)  # a refusal must come before the first byte
        lines = self._lines(instance_id, tail=tail, follow=follow)
        return StreamingResponse(lines, media_type="application/x-ndjson")

    async def _lines(self, instance_id: str, *, tail: int, follow: bool) -> AsyncIterator[bytes]:
        entries = self._backend.logs(instance_id, tail=tail, follow=follow)
        ending = asyncio.ensure_future(self._is_ending.wait())
        async with aclosing(entries):
            try:
                while (entry := await _next_of(entries, ending)) is not None:
                    yield as_line(entry)
            except errors.InstancesError as error:
                # The status is long sent: who reads this sees why it ends.
                yield as_line(LogEntry(0, "error", f"the log ends here: {error}"))
            finally:
                ending.cancel()

    def _instance(self, report: Report) -> dict[str, Any]:
        fields = asdict(report)
        address, why = fields.pop("web_url"), fields.pop("error")
        if address and self._shows_addresses:
            fields["web_url"] = address
        if why:
            fields["error_message"] = why
        return fields


class _KeyCheck:
    """Before everything else, so that without the key every path is the same."""

    def __init__(self, app: ASGIApp, *, api_key: str) -> None:
        assert api_key  # an empty one would let everybody in
        self._app = app
        self._expected = b"bearer " + api_key.encode()
        self._wrong = MovingWindowRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # no sockets here; the server closes them
        given = dict(scope["headers"]).get(b"authorization", b"")
        if self._is_key(given):
            await self._app(scope, receive, send)
            return
        await self._refusal_of(given, scope)(scope, receive, send)

    def _is_key(self, given: bytes) -> bool:
        scheme, _, key = given.partition(b" ")
        return hmac.compare_digest(scheme.lower() + b" " + key.strip(), self._expected)

    def _refusal_of(self, given: bytes, scope: Scope) -> Response:
        """Whoever guesses is told to wait. The key itself always counts: behind a proxy everybody
        has the same address."""
        address = scope["client"][0] if scope["client"] else ""
        if given and not self._wrong.hit(WRONG_KEYS, network_of(address)):
            refusal = _json({"error": "too many wrong keys from this address"}, status=429)
            refusal.headers["Retry-After"] = str(WRONG_KEYS.get_expiry())
            return refusal
        if given:
            logger.warning("a wrong key", extra={"address": address})
        refusal = _json({"error": "the key of this backend is needed"}, status=401)
        refusal.headers["WWW-Authenticate"] = "Bearer"
        return refusal


class _CreateRequest(BaseModel):
    model_config = ConfigDict(strict=True)

    name: str | None = None
    region: str | None = None


async def _create_request(request: Request) -> _CreateRequest:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_BYTES:
            raise HTTPException(413, f"the body may have {BODY_BYTES} bytes")
    if not body.strip():
        return _CreateRequest()
    try:
        return _CreateRequest.model_validate_json(bytes(body))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        is_json = first["type"] != "json_invalid"
        where = ".".join(map(str, first["loc"])) or "the body"
        raise HTTPException(422 if is_json else 400, f"{where}: {first['msg']}") from None


def _id_of(request: Request) -> str:
    instance_id = request.path_params["instance_id"]
    if not is_instance_id(instance_id):
        raise errors.InstanceNotFound("no such instance")
    return str(instance_id)


def _tail_of(request: Request) -> int:
    text = request.query_params.get("tail", str(DEFAULT_TAIL))
    if not (text.isascii() and text.isdigit()):
        raise HTTPException(400, "tail must be a whole number")
    return min(int(text[:9]), MOST_TAIL)


async def _next_of(
    entries: AsyncIterator[LogEntry], ending: "asyncio.Future[Any]"
) -> LogEntry | None:
    """`None` at the end of the log, and when the server stops."""
    coming = asyncio.ensure_future(anext(entries, None))
    try:
        await asyncio.wait((coming, ending), return_when=asyncio.FIRST_COMPLETED)
        return coming.result() if coming.done() else None
    finally:
        if not coming.done():
            await end_task(coming)


def _refusal(_request: Request, error: errors.InstancesError) -> Response:
    status = _STATUSES.get(type(error), 500)
    if isinstance(error, errors.RequestRefused):
        status = error.status
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("the backend failed", extra={"reason": str(error)})
    response = _json({"error": str(error)}, status=status)
    if isinstance(error, errors.BackendBusy) and error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _refusal_of_http(_request: Request, error: HTTPException) -> Response:
    response = _json({"error": error.detail}, status=error.status_code)
    response.headers.update(error.headers or {})
    return response


def _failure(_request: Request, _error: Exception) -> Response:
    """The server writes down what it was; the caller only learns that."""
    return _json({"error": "internal error"}, status=500)


def _json(document: Any, *, status: int = 200) -> Response:
    return Response(orjson.dumps(document), status, media_type="application/json")


def _log(operation: str, instance_id: str) -> None:
    logger.info("instance command", extra={"operation": operation, "instance_id": instance_id})
