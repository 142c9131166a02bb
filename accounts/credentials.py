"""The ways to prove who is calling, in the order in which they are looked for.

The profile chooses the ways. The first credential that is present decides: a wrong one is refused,
never passed over for the next. Explicit credentials come before the browser's cookie, so that a
request that names a key acts as that key whoever is logged in.
"""

import hmac
import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from rest_framework.authentication import CSRFCheck

from accounts import bearer_tokens, key_format
from accounts.client_certificates import certificate_principal
from accounts.errors import (
    CrossSiteRequest,
    InvalidClientCertificate,
    InvalidCredential,
    InvalidToken,
    MissingBearer,
    MissingClientCertificate,
    MissingCredential,
)
from accounts.key_sessions import key_of_session
from accounts.models import User
from accounts.principals import DAEMON, OPEN, Principal, user_principal
from accounts.profiles import PROFILES
from accounts.verification import key_principal, refusal_of_wrong, verify_api_key

# Exact and case-sensitive: one space, nothing trimmed.
BEARER = "Bearer "
API_KEY = "ApiKey "

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
# Set by anything that stands between us and the client; then a loopback peer proves nothing.
_FORWARDING_HEADERS = ("HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP", "HTTP_X_CLIENT_IP")
_FORWARDING_PREFIX = "HTTP_X_FORWARDED"


@dataclass(frozen=True, slots=True)
class Provider:
    """One way to prove oneself.

    `identify` returns `None` when its kind of credential was not sent, and raises an
    `AccountsError` when it was and does not count.
    """

    name: str
    identify: Callable[[HttpRequest], Principal | None]
    only_with_query_token: bool = False
    missing: Callable[[], MissingCredential] = MissingCredential  # when first in the chain


def address_of(request: HttpRequest) -> str:
    """The peer's address; behind a declared proxy the server put the client's there."""
    return str(request.META.get("REMOTE_ADDR", ""))


def _key_header(request: HttpRequest) -> Principal | None:
    secret = request.META.get("HTTP_X_API_KEY", "")
    return verify_api_key(secret, address=address_of(request)) if secret else None


def _authorization_header(request: HttpRequest) -> Principal | None:
    header = request.META.get("HTTP_AUTHORIZATION", "")
    if header.startswith(BEARER):
        return _bearer(header[len(BEARER) :], request)
    if header.startswith(API_KEY):
        return verify_api_key(header[len(API_KEY) :], address=address_of(request))
    return None  # another scheme is addressed to somebody else, a proxy perhaps


def _bearer(token: str, request: HttpRequest) -> Principal:
    if _is_daemon_token(token):
        return DAEMON
    try:
        return verify_api_key(token, address=address_of(request))
    except InvalidCredential as error:
        if bearer_tokens.is_configured() and not token.startswith(key_format.MARK):
            raise InvalidToken(error.reason, actor=error.actor) from error
        raise


def _api_key_header(request: HttpRequest) -> Principal | None:
    """An API key in `Authorization`, whatever the scheme; never the daemon token."""
    header = request.META.get("HTTP_AUTHORIZATION", "")
    for scheme in (API_KEY, BEARER):
        if header.startswith(scheme):
            return verify_api_key(header[len(scheme) :], address=address_of(request))
    return None


def _signed_token(request: HttpRequest) -> Principal | None:
    """A JWT. Whatever else a bearer token can be is left to those who know it."""
    token = bearer_tokens.token_of(request)
    if _is_daemon_token(token) or not bearer_tokens.looks_like_jwt(token):
        return None
    return _verified(token, request)


def _nothing_but_signed_token(request: HttpRequest) -> Principal | None:
    token = bearer_tokens.token_of(request)
    return _verified(token, request) if token else None


def _verified(token: str, request: HttpRequest) -> Principal:
    try:
        return bearer_tokens.token_principal(token)
    except InvalidToken as error:
        raise refusal_of_wrong(error, address=address_of(request)) from error


def _client_certificate(request: HttpRequest) -> Principal | None:
    try:
        return certificate_principal(request)
    except InvalidClientCertificate as error:
        raise refusal_of_wrong(error, address=address_of(request)) from error


def _is_daemon_token(token: str) -> bool:
    expected = settings.STARLINGD_TOKEN
    return bool(expected) and hmac.compare_digest(token.encode(), expected.encode())


def _query_token(request: HttpRequest) -> Principal | None:
    secret = request.GET.get("token", "")
    return verify_api_key(secret, address=address_of(request)) if secret else None


def _login_session(request: HttpRequest) -> Principal | None:
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return None
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return None
    _refuse_cross_site(request)
    key_id = key_of_session(request)
    if key_id is not None:
        return replace(key_principal(key_id), provider="session")
    return user_principal(user_id=user.pk, role=user.role, provider="session")


def _login_session_on_pages(request: HttpRequest) -> Principal | None:
    """The administrator at a browser: for the inspector, and the stream that its pages follow."""
    path = request.path_info
    is_page = path.startswith(("/inspect", "/admin/")) or (
        path.startswith("/api/v1/runs/") and path.endswith("/stream")
    )
    return _login_session(request) if is_page else None


def _refuse_cross_site(request: HttpRequest) -> None:
    """A browser sends the cookie along with requests that other sites' pages make."""
    if getattr(request, "is_websocket", False):
        # Browsers always name it; who does not is no page of ours.
        if "HTTP_ORIGIN" not in request.META or not _is_same_origin(request):
            raise CrossSiteRequest("the Origin of the socket is not this site")
    elif request.method not in _SAFE_METHODS:
        check = CSRFCheck(lambda request: HttpResponse())
        check.process_request(request)
        if reason := check.process_view(request, None, (), {}):  # type: ignore[arg-type]
            raise CrossSiteRequest(str(reason))


def _is_same_origin(request: HttpRequest) -> bool:
    origin = request.META.get("HTTP_ORIGIN", "")
    if not origin or origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    return bool(urlsplit(str(origin)).netloc == request.get_host())


def _open_mode(request: HttpRequest) -> Principal | None:
    """The anonymous caller of a fresh install: nobody can hold a key yet, so be at the machine."""
    if settings.STARLINGD_TOKEN:
        return None
    if "HTTP_AUTHORIZATION" in request.META or not _comes_from_this_machine(request):
        return None
    # A database that does not answer raises, which is a refusal.
    return None if User.objects.exists() else OPEN


def _comes_from_this_machine(request: HttpRequest) -> bool:
    """Typed or run on this machine: not relayed to it, and not sent by some web page."""
    return (
        is_loopback(address_of(request))
        and not any(_is_forwarding(name) for name in request.META)
        # Raises for a name that is not ours, which a page may have pointed at 127.0.0.1.
        and bool(request.get_host())
        and _is_same_origin(request)
    )


def _is_forwarding(name: str) -> bool:
    return name in _FORWARDING_HEADERS or name.startswith(_FORWARDING_PREFIX)


def is_loopback(address: str) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        return ip.ipv4_mapped.is_loopback
    return ip.is_loopback


_KEYS_AND_LOGINS = (
    Provider("api_key", _key_header),
    Provider("bearer", _authorization_header),
    Provider("query_token", _query_token, only_with_query_token=True),
    Provider("session", _login_session),
)
_OPEN_TO_ALL = (*_KEYS_AND_LOGINS, Provider("open", _open_mode))
# Whoever set an issuer up has said who may call, so that nobody gets in without a credential.
_WITH_TOKENS = (
    Provider("bearer_jwt", _signed_token, missing=MissingBearer),
    *_KEYS_AND_LOGINS,
)

_PAGES = Provider("session", _login_session_on_pages)
# By STARPORT_AUTH_PROVIDER: profiles that deny by default take one kind of credential.
_ONE_KIND: Mapping[str, Sequence[Provider]] = {
    "mtls": (Provider("mtls", _client_certificate, missing=MissingClientCertificate), _PAGES),
    "bearer_jwt": (
        Provider("bearer_jwt", _nothing_but_signed_token, missing=MissingBearer),
        _PAGES,
    ),
    "api_key": (
        Provider("api_key", _key_header),
        Provider("api_key", _api_key_header),
        Provider("api_key", _query_token, only_with_query_token=True),
        _PAGES,
    ),
}


def chain() -> Sequence[Provider]:
    """The ways that the profile allows, the first to be asked first."""
    if PROFILES[settings.STARPORT_PROFILE].default_deny:
        return _ONE_KIND[settings.STARPORT_AUTH_PROVIDER]
    return _WITH_TOKENS if bearer_tokens.is_configured() else _OPEN_TO_ALL
