"""HTTP requests from ASGI to Django's synchronous views: one hop into threads that live on.

Django's own ASGI handler gives every request a new thread, hence a new database connection. Here a
fixed pool of threads answers all of them, each thread keeping its connection. A view that has
something to stream returns an async iterator, and that one is iterated on the event loop: an open
stream holds no thread.
"""

import asyncio
import logging
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO
from typing import IO, Any, TypeVar

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest, get_script_prefix
from django.core.handlers.base import BaseHandler
from django.db import close_old_connections
from django.http import HttpResponse, HttpResponseBadRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from project.api_errors import response_to, server_error
from project.lib.deferred import DeferredResponse
from runs.errors import ShuttingDown

logger = logging.getLogger(__name__)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

ResultT = TypeVar("ResultT")

SPOOL_BYTES = 256 * 1024  # a longer body waits in a temporary file
BODY_SECONDS = 60  # for all of a body that does not come with its headers
BLOCK_BYTES = 256 * 1024  # how much of a file is read in one hop


class ClientGone(Exception):
    """The client closed the connection before its request was complete."""


class StarportRequest(ASGIRequest):
    """A request whose body may have been cut off at the limit; `BodyLimit` refuses it then."""

    body_is_too_large = False


class PooledHandler(BaseHandler):
    """The ASGI application for HTTP."""

    def __init__(self) -> None:
        super().__init__()
        self.load_middleware()
        self._pool = ThreadPoolExecutor(
            settings.STARPORT_REQUEST_THREADS, thread_name_prefix="request"
        )
        self._work: set[Future[Any]] = set()
        self._streams: set[asyncio.Task[None]] = set()
        self._waiting: set[asyncio.Task[HttpResponseBase]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body, is_too_large = await read_body(scope, receive, settings.STARPORT_BODY_LIMIT)
        except ClientGone:
            return
        response = await self._in_pool(self._respond, scope, body, is_too_large)
        if isinstance(response, DeferredResponse):
            ready = await self._when_ready(response, receive)
            if ready is None:
                return  # the client left; what it asked for goes on without it
            response = ready
        await send(
            {
                "type": "http.response.start",
                "status": response.status_code,
                "headers": _encoded_headers(response),
            }
        )
        if isinstance(response, StreamingHttpResponse):
            await self._stream(response, scope["method"], receive, send)
        else:
            assert isinstance(response, HttpResponse)  # what does not stream has a body
            content = b"" if scope["method"] == "HEAD" else response.content
            await send({"type": "http.response.body", "body": content})

    def end_streams(self) -> None:
        """End every open stream in good order, as when the view's iterator had run out."""
        for open_task in [*self._streams, *self._waiting]:
            open_task.cancel()

    def close(self) -> bool:
        """Give up the threads. False when one of them is still answering a request."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        return not any(work.running() for work in list(self._work))

    def _respond(self, scope: Scope, body: IO[bytes], is_too_large: bool) -> HttpResponseBase:
        """The whole request, in one thread of the pool."""
        set_script_prefix(get_script_prefix(scope))
        # All that the signals around a request are for here: a connection that has become unusable
        # is dropped, a good one kept. Sending both took longer than many a query.
        close_old_connections()
        try:
            request = StarportRequest(scope, body)
        except UnicodeDecodeError:
            body.close()
            return HttpResponseBadRequest()
        request.body_is_too_large = is_too_large
        response = self.get_response(request)
        if not response.streaming:
            _free(response)
        return response

    async def _when_ready(
        self, deferred: DeferredResponse, receive: Receive
    ) -> HttpResponseBase | None:
        """The answer, or `None` when nobody waits for it any more."""
        waiting = asyncio.create_task(deferred.resolve())
        disconnect = asyncio.create_task(_wait_for_disconnect(receive))
        self._waiting.add(waiting)
        try:
            await asyncio.wait({waiting, disconnect}, return_when=asyncio.FIRST_COMPLETED)
            return deferred.adopted(_outcome(deferred, waiting)) if waiting.done() else None
        finally:
            self._waiting.discard(waiting)
            waiting.cancel()
            disconnect.cancel()
            await asyncio.gather(waiting, disconnect, return_exceptions=True)

    async def _stream(
        self, response: StreamingHttpResponse, method: str, receive: Receive, send: Send
    ) -> None:
        parts = self._parts(response)
        pump = asyncio.create_task(_pump(response, parts, method, send))
        disconnect = asyncio.create_task(_wait_for_disconnect(receive))
        self._streams.add(pump)
        try:
            await asyncio.wait({pump, disconnect}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._streams.discard(pump)
            is_connected = not disconnect.done()
            pump.cancel()
            disconnect.cancel()
            (outcome, _) = await asyncio.gather(pump, disconnect, return_exceptions=True)
            await _close(parts)
            response.close()
        if isinstance(outcome, Exception):
            raise outcome  # the server logs it and cuts the connection: the body is incomplete
        if is_connected:
            await send({"type": "http.response.body"})

    def _parts(self, response: StreamingHttpResponse) -> AsyncIterator[Any]:
        if response.is_async:
            # Not `streaming_content`: that wraps the iterator in one that does not close it.
            return response._iterator  # type: ignore[attr-defined,no-any-return]
        return self._blocks(iter(response.streaming_content))  # type: ignore[arg-type]

    async def _blocks(self, chunks: Iterator[bytes]) -> AsyncGenerator[bytes, None]:
        """A synchronous iterator (a file), read in the pool a block at a time.

        Each block may be read by another thread: what streams from the database is an async
        iterator and not this.
        """
        while block := await self._in_pool(_next_block, chunks):
            yield block

    async def _in_pool(self, fn: Callable[..., ResultT], *args: Any) -> ResultT:
        # Not `sync_to_async`: its copied context would give every request new cache connections.
        work = self._pool.submit(fn, *args)
        self._work.add(work)
        work.add_done_callback(self._work.discard)
        return await asyncio.wrap_future(work)


async def _pump(
    response: StreamingHttpResponse, parts: AsyncIterator[Any], method: str, send: Send
) -> None:
    if method == "HEAD":
        return
    async for part in parts:
        body = response.make_bytes(part)
        await send({"type": "http.response.body", "body": body, "more_body": True})


def _outcome(
    deferred: DeferredResponse, waiting: "asyncio.Task[HttpResponseBase]"
) -> HttpResponseBase:
    if waiting.cancelled():  # the server stops; what was waited for is not lost
        error: BaseException | None = ShuttingDown("The server is shutting down")
    else:
        error = waiting.exception()
    if error is None:
        return waiting.result()
    answer = response_to(deferred.request, error) if isinstance(error, Exception) else None
    if answer is None:
        logger.error("an answer could not be given", exc_info=error)
        return server_error(deferred.request)
    return answer


async def _close(parts: AsyncIterator[Any]) -> None:
    """Run the iterator's clean-up now, not when it happens to be collected."""
    if isinstance(parts, AsyncGenerator):
        await parts.aclose()


async def read_body(scope: Scope, receive: Receive, limit: int) -> tuple[IO[bytes], bool]:
    """The request body, and whether it is longer than `limit` bytes (then none of it is kept)."""
    if _declared_length(scope) > limit:
        return BytesIO(), True
    message = await _receive_part(receive)
    if not message.get("more_body", False):
        body = message.get("body", b"")
        return (BytesIO(), True) if len(body) > limit else (BytesIO(body), False)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _spool(message, receive, limit)
    except TimeoutError as error:
        raise ClientGone from error


async def _spool(message: dict[str, Any], receive: Receive, limit: int) -> tuple[IO[bytes], bool]:
    spool = tempfile.SpooledTemporaryFile(SPOOL_BYTES)  # noqa: SIM115 - the request closes it
    received = 0
    try:
        while True:
            part = message.get("body", b"")
            received += len(part)
            if received > limit:
                spool.close()
                return BytesIO(), True
            spool.write(part)
            if not message.get("more_body", False):
                spool.seek(0)
                return spool, False
            message = await _receive_part(receive)
    except BaseException:
        spool.close()
        raise


async def _receive_part(receive: Receive) -> dict[str, Any]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            with suppress(ValueError):
                return int(value)
    return 0


def _encoded_headers(response: HttpResponseBase) -> list[tuple[bytes, bytes]]:
    headers = [(name.encode("ascii"), value.encode("latin1")) for name, value in response.items()]
    headers += [
        (b"Set-Cookie", cookie.OutputString().encode("ascii"))
        for cookie in response.cookies.values()
    ]
    return headers


def _free(response: HttpResponseBase) -> None:
    """Close what the request held, such as uploaded files; `close` would send the signal too."""
    for close in response._resource_closers:  # type: ignore[attr-defined]
        with suppress(Exception):
            close()
    response.closed = True


def _next_block(chunks: Iterator[bytes]) -> bytes:
    block = bytearray()
    while len(block) < BLOCK_BYTES and (chunk := next(chunks, None)) is not None:
        block += chunk
    return bytes(block)
