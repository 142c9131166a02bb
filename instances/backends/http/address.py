"""Where a backend is and what it is shown: the configured URL and key, taken apart.

A credential is sent in a header that we make, never as part of a URL, since URLs end up in texts.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

import httpx

from instances.errors import BackendFailed

_THIS_MACHINE = ("localhost", "::1")
_G2_ENDING = "/api/v1"
#: Shorter ones are words of the language.
_SHORTEST_SECRET = 4


@dataclass(frozen=True, slots=True)
class Address:
    """`read_address` makes one."""

    base: httpx.URL  # without user, password and slashes at its end
    is_g2: bool
    headers: Mapping[str, str] = field(repr=False)
    hidden: tuple[str, ...] = field(repr=False)  # what no text may repeat

    @property
    def is_in_the_clear(self) -> bool:
        """Whether whoever listens on the way reads our credential."""
        is_here = self.base.host in _THIS_MACHINE or self.base.host.startswith("127.")
        return bool(self.headers) and self.base.scheme == "http" and not is_here

    def url(self, *segments: str) -> httpx.URL:
        """Of a path below the base; each part becomes one segment, whatever it holds."""
        path = "/".join(quote(segment, safe="") for segment in ("instances", *segments))
        base = self.base.raw_path.decode().rstrip("/")
        return self.base.copy_with(raw_path=f"{base}/{path}".encode())


def read_address(url: str, key: str) -> Address:
    """Raises `BackendFailed` for a URL or a key that cannot be used; neither is repeated."""
    base = _parsed(url)
    if key and not (key.isascii() and key.isprintable()):
        raise BackendFailed("the configured key of the backend cannot be sent as a header")
    user = f"{base.username}:{base.password}" if base.userinfo else ""
    basic = base64.b64encode(user.encode()).decode()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    if basic and not key:
        headers = {"Authorization": f"Basic {basic}"}
    sent = (key, basic, base.password, base.userinfo.decode())
    hidden = (*sent, base.netloc.decode(), base.host)
    return Address(
        base=base.copy_with(username=None, password=None),
        is_g2=base.path.rstrip("/").endswith(_G2_ENDING),
        headers=headers,
        hidden=tuple(text for text in hidden if len(text) >= _SHORTEST_SECRET),
    )


def _parsed(url: str) -> httpx.URL:
    try:
        base = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        raise BackendFailed("the configured URL of the backend is not one") from None
    is_plain = not (base.query or base.fragment) and (base.port or 1) < 2**16
    if base.scheme not in ("http", "https") or not base.host or not is_plain:
        raise BackendFailed("the configured URL of the backend must be http(s)://host[/path]")
    return base
