"""The client of a remote backend.

Environment variables that name proxies are not heeded: whoever operates one would read our
credential and every log, and nobody set them with that in mind.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from functools import cache
from typing import Any

import httpx

from instances.backends.http import parsing
from instances.backends.http.address import read_address
from instances.backends.http.failures import failure_of, refusal_of
from instances.backends.http.silence import Patience, pieces_of
from instances.backends.http.unreadable import tell_of_unreadable
from instances.errors import BackendFailed, BackendTimedOut, InstanceNotFound, InstancesError
from instances.logs import LogParser
from instances.objects import Health, Listing, LogEntry, Report, SshAccess

CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
#: For all of an exchange, of a backend that keeps sending a little.
EXCHANGE_SECONDS = 90.0
RETRY_SECONDS = 0.2
MAX_BYTES = 16 * 1024 * 1024
MAX_ERROR_BYTES = 16 * 1024
CONNECTIONS = 32
#: Kept while idle. Each request looks at all of them: two dozen, left over from a backend that
#: hung, make a poll twice as dear.
IDLE_CONNECTIONS = 8

_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",  # nothing that unpacks to more than we counted
    "User-Agent": "starport",
}
# A log may be silent for hours; the kernel notices when the other side is gone.
_KEEP_ALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 20), ("TCP_KEEPCNT", 3))
        if hasattr(socket, name)
    ),
]


class HttpBackend:
    """A `Backend` behind a URL. Raises `BackendFailed` when URL or key cannot be used."""

    kind = "http"
    restart_seconds = 60.0
    place = ""  # every server that is configured with it sees the same

    def __init__(self, url: str, key: str = "", *, read_seconds: float = READ_SECONDS) -> None:
        self._address = read_address(url, key)
        self._is_g2 = self._address.is_g2
        self._read_seconds = read_seconds
        self._connect_seconds = min(CONNECT_SECONDS, read_seconds)
        self._client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(
                verify=_ssl_context(),
                trust_env=False,
                limits=httpx.Limits(
                    max_connections=CONNECTIONS, max_keepalive_connections=IDLE_CONNECTIONS
                ),
                socket_options=_KEEP_ALIVE,
            ),
            headers={**_HEADERS, **self._address.headers},
            timeout=httpx.Timeout(read_seconds, connect=self._connect_seconds),
            follow_redirects=False,
            trust_env=False,
        )

    async def aclose(self) -> None:
        await self._client.aclose()

    async def list_instances(self) -> Listing:
        found = parsing.read_reports(await self._ask("GET"), is_g2=self._is_g2)
        tell_of_unreadable(str(self._address.base), found.complaints)
        return found.listing

    async def create(self, *, name: str | None, region: str | None) -> Report:
        wanted: dict[str, Any] = {"name": name, "region": region}
        if self._is_g2:
            wanted = {field: value for field, value in wanted.items() if value is not None}
        return parsing.read_report(await self._ask("POST", json=wanted), is_g2=self._is_g2)

    async def get(self, instance_id: str) -> Report:
        return parsing.read_report(await self._ask("GET", instance_id), is_g2=self._is_g2)

    async def kill(self, instance_id: str) -> None:
        await self._ask("DELETE", instance_id)

    async def pause(self, instance_id: str) -> None:
        """The second generation calls it `stop`."""
        if self._is_g2:
            try:
                await self._ask("POST", instance_id, "stop")
                return
            except InstanceNotFound:
                pass  # or it has no such route: a base like /api/v1 proves nothing
        await self._ask("POST", instance_id, "pause")

    async def restart(self, instance_id: str, *, only_running: bool = False) -> None:
        """The API has no word for `only_running`."""
        await self._ask("POST", instance_id, "restart")

    async def health(self, instance_id: str) -> Health:
        return parsing.read_health(await self._ask("GET", instance_id, "health"))

    async def ssh_access(self, instance_id: str) -> SshAccess:
        # Of a refusal nothing is repeated: an answer here may hold a key.
        body = await self._ask("GET", instance_id, "ssh", is_repeated=False)
        return parsing.read_ssh_access(body)

    async def logs(
        self, instance_id: str, *, tail: int, follow: bool = False
    ) -> AsyncGenerator[LogEntry, None]:
        """What came before a stream broke off is given out before that is raised."""
        count = 0
        async with aclosing(self._log_entries(instance_id, tail, follow)) as entries:
            async for entry in entries:
                yield entry
                count += 1
                if count >= tail and not follow:
                    return

    async def _log_entries(
        self, instance_id: str, tail: int, follow: bool
    ) -> AsyncGenerator[LogEntry, None]:
        parser = LogParser()
        failure: InstancesError | None = None
        async with self._open_log(instance_id, tail, follow) as response:
            patience = None if follow else Patience(self._read_seconds)
            try:
                async with aclosing(pieces_of(response, patience)) as pieces:
                    async for piece in pieces:
                        for entry in parser.feed(piece):
                            yield entry
            except httpx.HTTPError as error:
                failure = failure_of(error)
            except BackendTimedOut as error:
                failure = error
            for entry in parser.finish():
                yield entry
        if failure is not None:
            raise failure from None

    @asynccontextmanager
    async def _open_log(
        self, instance_id: str, tail: int, follow: bool
    ) -> AsyncIterator[httpx.Response]:
        """The response, once it has begun well. Its beginning has a limit, the log has none."""
        asked = {"lines": tail, "tail": tail} if self._is_g2 else {"tail": tail}
        # A backend that does not know `follow` never ends a log; see `silence`.
        query = httpx.QueryParams(asked if follow else {**asked, "follow": "false"})
        request = self._client.build_request(
            "GET",
            self._address.url(instance_id, "logs").copy_with(params=query),
            headers={"Accept": "application/x-ndjson, application/json"},
            timeout=httpx.Timeout(None, connect=self._connect_seconds),
        )
        async with _within(self._connect_seconds + self._read_seconds):
            response = await self._good(request)
        try:
            yield response
        finally:
            await response.aclose()

    async def _ask(
        self,
        method: str,
        *segments: str,
        json: Mapping[str, Any] | None = None,
        is_repeated: bool = True,
    ) -> bytes:
        """The body of a good answer. `is_repeated`: whether errors have the backend's words."""
        request = self._client.build_request(method, self._address.url(*segments), json=json)
        async with _within(EXCHANGE_SECONDS):
            response = await self._good(request, is_repeated=is_repeated)
            try:
                return await _body(response)
            finally:
                await response.aclose()

    async def _good(self, request: httpx.Request, *, is_repeated: bool = True) -> httpx.Response:
        """An answer that has begun, and is a success."""
        response = await self._begun(request)
        if response.is_success:
            return response
        try:
            most = MAX_ERROR_BYTES if is_repeated else 0
            said = await _body(response, most=most, is_cut=True)
        finally:
            await response.aclose()
        raise refusal_of(response.status_code, response.headers, said, hidden=self._address.hidden)

    async def _begun(self, request: httpx.Request) -> httpx.Response:
        """What changes nothing is asked a second time when the connection failed."""
        try:
            return await self._client.send(request, stream=True)
        except httpx.TimeoutException:
            raise
        except httpx.TransportError:
            if request.method != "GET":
                raise
        await asyncio.sleep(RETRY_SECONDS)
        return await self._client.send(request, stream=True)


@cache
def _ssl_context() -> ssl.SSLContext:
    """One for all: reading the certificates takes longer than a request."""
    return httpx.create_ssl_context()


@asynccontextmanager
async def _within(seconds: float) -> AsyncIterator[None]:
    """Whatever goes wrong with the transport, as our errors."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise BackendTimedOut("the backend did not answer in time") from None
    except httpx.HTTPError as error:
        raise failure_of(error) from None


async def _body(response: httpx.Response, *, most: int = MAX_BYTES, is_cut: bool = False) -> bytes:
    body = bytearray()
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > most:
            if is_cut:
                return bytes(body[:most])
            raise BackendFailed("Invalid response: it is too long")
    return bytes(body)
