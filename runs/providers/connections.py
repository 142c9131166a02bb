"""HTTP connections to providers: one pool per event loop, and a tap on what comes back."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

import httpx2
from blake3 import blake3
from django.conf import settings
from pydantic_ai.models import Model

from runs.providers.adapters import load_adapter
from runs.providers.endpoints import Endpoint

# Longer than any end-of-stream marker with its event line.
_TAIL_BYTES = 256
_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "x-amzn-requestid")


class ResponseTap:
    """Watches the raw response of one model call: hashes it, and keeps its last bytes."""

    def __init__(self, *, idle_timeout_seconds: float | None = None) -> None:
        self.idle_timeout_seconds = idle_timeout_seconds
        self.request_id = ""
        self._hash = blake3()
        self._tail = b""
        self._has_body = False

    def feed(self, chunk: bytes) -> None:
        self._has_body = True
        self._hash.update(chunk)
        self._tail = (self._tail + chunk)[-_TAIL_BYTES:]

    def ended_with(self, marker: bytes) -> bool:
        return marker in self._tail

    def body_hash(self) -> bytes | None:
        """BLAKE3 of the body as it came over the wire; None if no HTTP response was seen."""
        return self._hash.digest() if self._has_body else None


_current_tap: ContextVar[ResponseTap | None] = ContextVar("current_tap", default=None)


@contextmanager
def tapped(tap: ResponseTap) -> Iterator[None]:
    """Requests sent inside report to `tap`, also while their bodies are read later."""
    token = _current_tap.set(tap)
    try:
        yield
    finally:
        _current_tap.reset(token)


class _TappedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, tap: ResponseTap) -> None:
        self._stream = stream
        self._tap = tap

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._tap.feed(chunk)
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


def _timeout(idle_seconds: float | None = None) -> httpx2.Timeout:
    idle = idle_seconds or settings.MODEL_IDLE_TIMEOUT_SECONDS
    connect = settings.MODEL_CONNECT_TIMEOUT_SECONDS
    return httpx2.Timeout(connect=connect, read=idle, write=idle, pool=connect)


async def _prepare(request: httpx2.Request) -> None:
    """Our limits, whatever the SDK in between thinks: each has its own idea of a timeout."""
    tap = _current_tap.get()
    timeout = _timeout(tap.idle_timeout_seconds if tap else None)
    request.extensions = {**request.extensions, "timeout": timeout.as_dict()}
    # The end marker must be readable in the raw bytes, and their hash must not depend on a codec.
    request.headers["Accept-Encoding"] = "identity"


async def _attach_tap(response: httpx2.Response) -> None:
    tap = _current_tap.get()
    if tap is None:
        return
    tap.request_id = next(
        (response.headers[name] for name in _REQUEST_ID_HEADERS if name in response.headers), ""
    )
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    response.stream = _TappedStream(response.stream, tap)


def open_client(socket: str = "") -> httpx2.AsyncClient:
    """A client for provider calls; `socket` is the path of a Unix socket to connect to instead."""
    # A local connection costs nothing to open, and llama.cpp may hang up while we reuse one.
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0 if socket else 100)
    transport = httpx2.AsyncHTTPTransport(uds=socket, limits=limits) if socket else None
    return httpx2.AsyncClient(
        transport=transport,
        limits=limits,
        timeout=_timeout(),
        event_hooks={"request": [_prepare], "response": [_attach_tap]},
    )


class LoopConnections:
    """The HTTP clients, and the models that use them, of one event loop.

    Connections belong to the loop they were opened in, and a process may run several loops: the
    server's, a Celery task's, a test's.
    """

    def __init__(self) -> None:
        self._clients: dict[str, httpx2.AsyncClient] = {}
        # Callers may name any model of a configured provider, so the number is bounded.
        self.model = lru_cache(maxsize=256)(self._build)

    def _build(self, endpoint: Endpoint, model_id: str) -> Model:
        if endpoint.socket not in self._clients:
            self._clients[endpoint.socket] = open_client(endpoint.socket)
        build = load_adapter(endpoint.provider_id)
        return build(endpoint, model_id, self._clients[endpoint.socket])

    async def aclose(self) -> None:
        self.model.cache_clear()
        while self._clients:
            await self._clients.popitem()[1].aclose()


_by_loop: dict[asyncio.AbstractEventLoop, tuple[LoopConnections, AsyncGenerator[None]]] = {}


async def loop_connections() -> LoopConnections:
    """The running loop's connections; they are closed when it ends."""
    loop = asyncio.get_running_loop()
    if loop not in _by_loop:
        connections = LoopConnections()
        holder = _hold_open(loop, connections)
        _by_loop[loop] = connections, holder
        await anext(holder)
    return _by_loop[loop][0]


async def _hold_open(
    loop: asyncio.AbstractEventLoop, connections: LoopConnections
) -> AsyncGenerator[None]:
    # A loop that ends closes its open async generators first: that is our signal to hang up.
    try:
        yield
    finally:
        _by_loop.pop(loop, None)
        await connections.aclose()
