"""The ASGI servers that `serve` can run on, behind one small interface; Uvicorn is here."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import uvicorn
from django.conf import settings

from project.serve.client_certificates import HttpProtocol, WebSocketProtocol
from project.serve.listening import BACKLOG
from project.serve.message_limits import LimitedWebSocket

#: One WebSocket message, until the application says otherwise: project.serve.message_limits.
SOCKET_MESSAGE_BYTES = 32 * 1024 * 1024
SOCKET_PING_SECONDS = 30.0
SOCKET_SILENCE_SECONDS = 60.0  # two pings without an answer, and the client counts as gone
KEEP_ALIVE_SECONDS = 75  # longer than a reverse proxy's usual 60, so that the proxy closes first
LAST_REQUESTS_SECONDS = 3  # for requests still being answered when everything else has stopped

Main = Callable[["AsgiServer"], Coroutine[Any, Any, None]]


class AsgiServer(Protocol):
    """A server that answers on a bound socket."""

    def run(self, main: Main) -> None:
        """Run `main` on this server's event loop until it returns."""
        ...

    async def start(self) -> None:
        """Answer requests from now on."""
        ...

    async def stop(self) -> None:
        """Let requests in progress end, close the rest."""
        ...


class UvicornServer:
    def __init__(self, application: Any, bound: socket.socket, certificate: "Certificate | None"):
        self._bound = bound
        authorities = certificate.client_authorities if certificate else None
        self._server = _Uvicorn(
            uvicorn.Config(
                application,
                loop="none",  # `run` chooses
                http=HttpProtocol if authorities else "httptools",
                ws=WebSocketProtocol if authorities else LimitedWebSocket,
                ws_max_size=SOCKET_MESSAGE_BYTES,
                ws_per_message_deflate=False,  # memory for every client, and frames are small
                ws_ping_interval=SOCKET_PING_SECONDS,
                ws_ping_timeout=SOCKET_SILENCE_SECONDS,
                lifespan="off",
                log_config=None,
                access_log=False,  # it would write query strings, and tokens stand in them
                proxy_headers=False,  # project.asgi believes the proxies that settings name
                server_header=False,
                backlog=BACKLOG,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=LAST_REQUESTS_SECONDS,
                ssl_certfile=certificate.chain if certificate else None,
                ssl_keyfile=str(certificate.key) if certificate else None,
                ssl_ca_certs=str(authorities) if authorities else None,
                # Who shows none is refused with an answer, and a browser gets to the login.
                ssl_cert_reqs=ssl.CERT_OPTIONAL if authorities else ssl.CERT_NONE,
            )
        )

    def run(self, main: Main) -> None:
        with asyncio.Runner(loop_factory=_fast_loop) as runner:
            runner.run(main(self))

    async def start(self) -> None:
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._bound]))
        await self._server.ready.wait()

    async def stop(self) -> None:
        self._server.should_exit = True
        await self._serving


class _Uvicorn(uvicorn.Server):
    """Uvicorn that leaves signals to us and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate chain, its private key and who signs the clients' certificates, as files."""

    chain: Path
    key: Path
    client_authorities: Path | None = None


def make_server(
    name: str, application: Any, bound: socket.socket, certificate: Certificate | None
) -> AsgiServer:
    if name == "daphne":
        from project.serve.daphne_server import DaphneServer  # Twisted takes long to import

        return DaphneServer(application, bound)
    return UvicornServer(application, bound, certificate)


def _fast_loop() -> asyncio.AbstractEventLoop:
    """uvloop where it exists (not on Windows), else asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    loop.set_debug(settings.DEBUG)
    return loop
