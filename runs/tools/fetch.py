"""Requests to a URL that a stranger or a model gave us, without being turned against our network.

The name is resolved once, every address it has is checked, and the connection goes to one of the
checked addresses: a name that resolves differently the second time (DNS rebinding) gains nothing.
Each redirect starts over. Proxy variables of the environment are not read, because behind a proxy
it is the proxy that resolves the name, unchecked.
"""

import asyncio
import re
import socket
import zlib
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ssl import SSLContext

import httpx
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from runs.tools.addresses import Network, is_in, is_public, parse_address, parse_networks

#: host, port -> addresses as text. Raises `OSError` when there are none.
Resolver = Callable[[str, int], Awaitable[list[str]]]

MAX_URL_CHARACTERS = 8192
GLANCE_SECONDS = 1.0  # for a body that matters little
_HOST = re.compile(rb"[a-z0-9._-]+|[0-9a-f:.]+")  # as the URL parser leaves it: lower case
_REDIRECTS = {301, 302, 303, 307, 308}
_DEFAULT_PORTS = {"http": 80, "https": 443}


class FetchError(Exception):
    """The URL was not fetched. The message is one sentence that a client or a model may read."""


class InvalidUrl(FetchError):
    """Not an absolute http or https URL, or one with credentials in it."""


class SchemeNotAllowed(FetchError):
    """An absolute URL, of another scheme than http or https."""


class HostNotFound(FetchError):
    """The host does not resolve."""


class AddressNotAllowed(FetchError):
    """The host has an address, or the URL a port, that must not be contacted."""


class PortNotAllowed(AddressNotAllowed):
    """The address is public, and the port is not one of the web's."""


class TransferFailed(FetchError):
    """The connection failed, was cut, took too long or was redirected too often."""


@dataclass(frozen=True, slots=True)
class FetchRules:
    """What a fetch may do. `allow` names networks that pass although they are not public; there
    the operator vouches for every port, elsewhere only `ports` pass."""

    allow: tuple[Network, ...] = ()
    ports: frozenset[int] = frozenset((80, 443))
    total_seconds: float = 15.0  # resolving, redirects and body included
    max_body_bytes: int = 1_048_576
    max_redirects: int = 10


@dataclass(frozen=True, slots=True)
class Fetched:
    url: str  # where the last redirect led
    status: int
    headers: httpx.Headers
    body: bytes  # decoded of its Content-Encoding
    truncated: bool  # the body was longer than the rules allow


async def resolve_host(host: str, port: int) -> list[str]:
    """Addresses from the system's resolver, in its order of preference."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def fetch(
    url: str,
    rules: FetchRules,
    *,
    headers: Mapping[str, str] | None = None,
    resolve: Resolver = resolve_host,
) -> Fetched:
    """GET `url` under `rules`, following redirects. Raises a `FetchError`.

    A status that is not 2xx is a normal result.
    """
    try:
        async with asyncio.timeout(rules.total_seconds):
            return await _follow(url, _Fetcher(rules, dict(headers or {}), resolve))
    except TimeoutError:
        raise TransferFailed(f"no answer within {rules.total_seconds:g} seconds") from None


async def post(
    url: str,
    body: bytes,
    rules: FetchRules,
    *,
    headers: Mapping[str, str],
    resolve: Resolver = resolve_host,
) -> Fetched:
    """POST `body` to `url` under `rules`. Raises a `FetchError`.

    A redirect is an answer and is not followed: it would carry the body to who was never named.
    The status is what counts; of a body that ends badly, or not within moments, there is what came.
    """
    fetcher = _Fetcher(rules, dict(headers), resolve, "POST", body)
    try:
        async with asyncio.timeout(rules.total_seconds):
            return await fetcher.send(parse_url(url))
    except TimeoutError:
        raise TransferFailed(f"no answer within {rules.total_seconds:g} seconds") from None


async def _follow(url: str, fetcher: "_Fetcher") -> Fetched:
    target = parse_url(url)
    for _ in range(fetcher.rules.max_redirects + 1):
        answer = await fetcher.send(target)
        location = answer.headers.get("location")
        if answer.status not in _REDIRECTS or not location:
            return answer
        target = _redirected(target, location)
    raise TransferFailed(f"more than {fetcher.rules.max_redirects} redirects")


def parse_url(url: str) -> httpx.URL:
    """An absolute http(s) URL without credentials or fragment. Raises `InvalidUrl`."""
    if len(url) > MAX_URL_CHARACTERS:
        raise InvalidUrl("the URL is too long")
    try:
        parsed = httpx.URL(url)
        host = parsed.raw_host
    except (httpx.InvalidURL, UnicodeError, ValueError):
        raise InvalidUrl("not a valid URL") from None
    if not parsed.scheme:
        raise InvalidUrl("not an absolute URL")
    if parsed.scheme not in _DEFAULT_PORTS:
        raise SchemeNotAllowed("only http and https URLs are allowed")
    if not host.strip(b".") or not _HOST.fullmatch(host):
        raise InvalidUrl("the URL has no valid host")
    if parsed.port is not None and parsed.port not in range(1, 65536):
        raise InvalidUrl("the URL has no valid port")
    if parsed.userinfo:
        raise InvalidUrl("a URL with a user name or password is not allowed")
    return parsed.copy_with(fragment=None)


def check_port(url: httpx.URL, rules: FetchRules) -> None:
    """Raises `PortNotAllowed` for a port that no address of the host could make a legal one.

    Names are not resolved: they can be pointed elsewhere until something is sent.
    """
    port = url.port or _DEFAULT_PORTS[url.scheme]
    if port in rules.ports or _may_be_in(url.raw_host.decode("ascii"), rules.allow):
        return
    raise PortNotAllowed(f"requests to port {port} are not allowed")


def _may_be_in(host: str, networks: tuple[Network, ...]) -> bool:
    name = host.rstrip(".").lower()
    if _is_localhost(name):
        name = "127.0.0.1"
    try:
        return is_in(parse_address(name), networks)
    except ValueError:
        return bool(networks)


def _is_localhost(name: str) -> bool:
    return name == "localhost" or name.endswith(".localhost")


def _redirected(source: httpx.URL, location: str) -> httpx.URL:
    try:
        return parse_url(str(source.join(location)))
    except (httpx.InvalidURL, UnicodeError, ValueError):
        raise TransferFailed("redirected to something that is not a URL") from None


@dataclass(frozen=True, slots=True)
class _Fetcher:
    rules: FetchRules
    headers: dict[str, str]
    resolve: Resolver
    method: str = "GET"
    content: bytes | None = None

    async def send(self, url: httpx.URL) -> Fetched:
        addresses = await self._checked_addresses(url)
        failure: httpx.HTTPError | None = None
        for address in addresses:
            try:
                return await self._send_to(address, url)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error  # the next address may answer
            except httpx.HTTPError as error:
                failure = error
                break
        raise TransferFailed(_reason(failure)) from failure

    async def _checked_addresses(self, url: httpx.URL) -> list[str]:
        host, port = url.raw_host.decode("ascii"), url.port or _DEFAULT_PORTS[url.scheme]
        addresses = await self._resolved(host, port)
        for text in addresses:
            self._check(text, port)
        return addresses

    async def _resolved(self, host: str, port: int) -> list[str]:
        name = host.rstrip(".").lower()
        if _is_localhost(name):
            return ["127.0.0.1"]  # RFC 6761: never a matter for DNS
        try:
            addresses = await self.resolve(host, port)
        except (OSError, UnicodeError):
            addresses = []
        if not addresses:
            raise HostNotFound("the host name does not resolve")
        return addresses

    def _check(self, text: str, port: int) -> None:
        try:
            address = parse_address(text)
        except ValueError:
            raise AddressNotAllowed("the host resolves to something that is no address") from None
        if is_in(address, self.rules.allow):
            return
        # One bad address refuses the host: which one gets used is otherwise up to the attacker.
        if not is_public(address):
            raise AddressNotAllowed("requests to private or internal addresses are not allowed")
        if port not in self.rules.ports:
            raise PortNotAllowed(f"requests to port {port} are not allowed")

    async def _send_to(self, address: str, url: httpx.URL) -> Fetched:
        transport = httpx.AsyncHTTPTransport(verify=_tls(), trust_env=False, retries=0)
        async with transport:
            response = await transport.handle_async_request(self._request(address, url))
            read = _read if self.method == "GET" else _glance
            try:
                body, truncated = await read(response, self.rules.max_body_bytes)
            finally:
                await response.aclose()
        return Fetched(str(url), response.status_code, response.headers, body, truncated)

    def _request(self, address: str, url: httpx.URL) -> httpx.Request:
        """To the checked address by number; the name stays in `Host` and in the TLS handshake."""
        return httpx.Request(
            self.method,
            url.copy_with(host=address),
            content=self.content,
            headers={
                "Host": url.netloc.decode("ascii"),
                "User-Agent": "starport",
                "Accept": "*/*",
                "Accept-Encoding": "identity",  # less to unpack, nothing to blow up
                "Connection": "close",
                **self.headers,
            },
            extensions={
                "sni_hostname": url.raw_host.decode("ascii").rstrip("."),
                "timeout": httpx.Timeout(self.rules.total_seconds).as_dict(),
            },
        )


@lru_cache(maxsize=1)
def _tls() -> SSLContext:
    return httpx.create_ssl_context()  # costs tens of milliseconds; SSL_CERT_FILE may add a CA


def _reason(error: Exception | None) -> str:
    """A sentence without the address: who guesses names should not learn what they resolve to."""
    match error:
        case httpx.ConnectError() if "CERTIFICATE" in str(error).upper():
            return "the TLS certificate of the host is not valid"
        case httpx.ConnectError() | httpx.ConnectTimeout():
            return "could not connect to the host"
        case httpx.RemoteProtocolError():
            return "the host did not answer with valid HTTP, or cut the connection"
    return "the transfer failed"


async def _read(response: httpx.Response, limit: int) -> tuple[bytes, bool]:
    """The body up to `limit` bytes, decoded, and whether there was more."""
    unpack = _unpacker(response.headers.get("content-encoding", ""))
    body = bytearray()
    assert isinstance(response.stream, AsyncIterable)
    try:
        async for chunk in response.stream:
            body += unpack(chunk, limit + 1 - len(body))
            if len(body) > limit:
                return bytes(body[:limit]), True
    except zlib.error:
        raise TransferFailed("the body is not encoded as the host says") from None
    return bytes(body), False


async def _glance(response: httpx.Response, limit: int) -> tuple[bytes, bool]:
    """What comes of the body at once, up to `limit` bytes, and whether that is not all of it.

    As it was sent: who encodes what they were asked not to is not worth unpacking.
    """
    body = bytearray()
    assert isinstance(response.stream, AsyncIterable)
    try:
        async with asyncio.timeout(GLANCE_SECONDS):
            async for chunk in response.stream:
                body += chunk
                if len(body) > limit:
                    break
            else:
                return bytes(body), False
    except (TimeoutError, httpx.HTTPError):
        pass  # the status came whole
    return bytes(body[:limit]), True


def _unpacker(encoding: str) -> Callable[[bytes, int], bytes]:
    """Decodes chunk by chunk, never more than asked for: a small body may unpack to gigabytes."""
    match encoding.strip().lower():
        case "" | "identity":
            return lambda chunk, _: chunk
        case "gzip" | "x-gzip" | "deflate":
            # 32: zlib and gzip headers are both recognised.
            return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress
    raise TransferFailed("the body comes in an encoding that was not asked for")


def rules_from_settings() -> FetchRules:
    """The rules with the operator's exceptions, STARPORT_SSRF_ALLOW."""
    try:
        return FetchRules(allow=parse_networks(settings.STARPORT_SSRF_ALLOW))
    except ValueError as error:
        raise ImproperlyConfigured(f"STARPORT_SSRF_ALLOW: {error}") from None
