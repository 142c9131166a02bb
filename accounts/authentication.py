"""Who sends this request? The one way in for views, streams and sockets."""

import logging
import time
from importlib import import_module
from io import BytesIO
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import AnonymousUser
from django.core.handlers.asgi import ASGIRequest
from django.db import DatabaseError
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts import attempts, audit
from accounts.credentials import Provider, address_of, chain
from accounts.errors import (
    AccountsError,
    AuditUnavailable,
    AuthenticationError,
    CredentialStoreUnavailable,
    CrossSiteRequest,
    InsecureTransport,
    InvalidCredential,
    InvalidToken,
    MissingCredential,
    TooManyAttempts,
)
from accounts.models import User
from accounts.principals import Principal
from accounts.profiles import PROFILES
from accounts.verification import key_principal

logger = logging.getLogger(__name__)

OFFERED_TOKEN = "bearer."  # noqa: S105 - what stands before one


def authenticate_http(request: HttpRequest, *, allow_query_token: bool = False) -> Principal:
    """The principal behind a request; the decision is in the audit trail.

    `allow_query_token` admits `?token=`, for streams: addresses end up in logs and histories.
    Raises `MissingCredential`, `InvalidCredential`, `TooManyAttempts`, `CrossSiteRequest`,
    `InsecureTransport`, `CredentialStoreUnavailable` or `AuditUnavailable`.
    """
    providers = chain()
    provider = providers[0]
    try:
        _refuse_cleartext_socket(request)
        for provider in providers:
            if provider.only_with_query_token and not allow_query_token:
                continue
            principal = provider.identify(request)
            if principal is not None:
                break
        else:
            raise providers[0].missing()
    except DatabaseError as error:
        logger.exception("a caller could not be identified")
        raise CredentialStoreUnavailable from error
    except (AuthenticationError, TooManyAttempts, CrossSiteRequest, InsecureTransport) as error:
        _record_failure(request, provider, error)
        raise
    _record_success(request, principal)
    return principal


def authenticate_scope(scope: dict[str, Any], *, allow_query_token: bool = True) -> Principal:
    """`authenticate_http` for an ASGI scope, of a WebSocket or of HTTP. Call it in a thread."""
    request = ASGIRequest({**scope, "method": scope.get("method", "GET")}, BytesIO())
    _take_offered_token(request, scope)
    request.is_websocket = scope["type"] == "websocket"  # type: ignore[attr-defined]
    session_store = import_module(settings.SESSION_ENGINE).SessionStore
    request.session = session_store(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
    request.user = SimpleLazyObject(lambda: get_user(request))  # type: ignore[assignment]
    return authenticate_http(request, allow_query_token=allow_query_token)


def _take_offered_token(request: HttpRequest, scope: dict[str, Any]) -> None:
    """Pages cannot set headers on sockets: they offer `bearer.<token>` as a subprotocol."""
    for offered in scope.get("subprotocols", ()):
        if offered.startswith(OFFERED_TOKEN):
            token = offered[len(OFFERED_TOKEN) :]
            request.META.setdefault("HTTP_AUTHORIZATION", f"Bearer {token}")


def is_still_valid(principal: Principal) -> bool:
    """Whether a caller admitted earlier would be admitted now: long streams ask now and then."""
    if principal.api_key_id is not None:
        try:
            return key_principal(principal.api_key_id).capabilities == principal.capabilities
        except InvalidCredential:
            return False
    if principal.user_id is not None:
        return User.objects.filter(
            pk=principal.user_id, is_active=True, role=principal.role
        ).exists()
    if principal.provider == "daemon_token":
        return bool(settings.STARLINGD_TOKEN)
    if principal.provider == "open":
        return not User.objects.exists()
    return principal.expires_at is None or time.time() < principal.expires_at


def challenge_of(error: AuthenticationError, *, path: str) -> str:
    """WWW-Authenticate of a 401. Clients of `/v1` are told which kind of credential they lack.

    Elsewhere keys and tokens are all sent as bearer tokens, and only a certificate is not.
    """
    is_graph_api = path == "/v1" or path.startswith("/v1/")
    scheme = error.scheme if is_graph_api or error.scheme == "mTLS" else "Bearer"
    challenge = f'{scheme} realm="{"stargraph" if is_graph_api else "starport"}"'
    if isinstance(error, InvalidToken):
        challenge += ', error="invalid_token"'
    return challenge


def _refuse_cleartext_socket(request: HttpRequest) -> None:
    """Requests without TLS are redirected before anybody asks who sent them; sockets are not."""
    profile = PROFILES[settings.STARPORT_PROFILE]
    if not (profile.tls_required and getattr(request, "is_websocket", False)):
        return
    if getattr(request, "scope", {}).get("scheme") != "wss":
        raise InsecureTransport(profile.name)


def _record_success(request: HttpRequest, principal: Principal) -> None:
    circumstances = _circumstances(request)
    if principal.session_id:
        circumstances["session_id"] = principal.session_id
    try:
        audit.record(
            "auth_succeeded",
            actor=principal.actor,
            provider=principal.provider,
            reason=principal.remark,
            **circumstances,
        )
    except DatabaseError as error:
        logger.exception("an authentication could not be recorded")
        raise AuditUnavailable from error


def _record_failure(request: HttpRequest, provider: Provider, error: AccountsError) -> None:
    """Of requests without a credential, and of those told to wait, an address's first so many a
    minute are recorded.

    Anybody can send those at no cost. The others are counted, and the next one from that address
    that is recorded tells how many: `unrecorded`.
    """
    if isinstance(error, MissingCredential):
        _record_missing(request, error)
        return
    circumstances = _circumstances(request)
    is_throttled = isinstance(error, TooManyAttempts)
    if is_throttled:
        unrecorded = attempts.count_throttled(address_of(request))
        if unrecorded is None:
            return
        if unrecorded:
            circumstances["unrecorded"] = unrecorded
    audit.record_decision(
        "auth_failed",
        actor=getattr(error, "actor", None),
        # Somebody who floods us must not make every request wait for a commit.
        durable=not is_throttled,
        provider=provider.name,
        reason=getattr(error, "reason", error.code),
        **circumstances,
    )


def _record_missing(request: HttpRequest, error: MissingCredential) -> None:
    unrecorded = attempts.count_missing(address_of(request))
    if unrecorded is None:
        return
    circumstances = _circumstances(request)
    if unrecorded:
        circumstances["unrecorded"] = unrecorded
    audit.record_decision(
        "auth_failed",
        actor=None,
        provider=None,
        reason=getattr(error, "reason", error.code),
        **circumstances,
    )


def _circumstances(request: HttpRequest) -> dict[str, Any]:
    return {
        "route": audit.shortened(request.path),
        "method": audit.shortened(request.method or ""),
        "remote_addr": audit.shortened(address_of(request)),
    }


class PrincipalAuthentication(BaseAuthentication):
    """DRF's: `request.auth` is the `Principal`, `request.user` its user, loaded when asked for.

    A view that sets `allow_query_token = True` accepts `?token=`. DRF makes one per request.
    """

    _challenge = 'Bearer realm="starport"'

    def authenticate(self, request: Request) -> tuple[Any, Principal]:
        # A guarded path was authenticated by the middleware before it was resolved.
        principal = getattr(request._request, "principal", None) or self._principal(request)
        request._request.principal = principal  # type: ignore[attr-defined] # who is charged
        return _user_of(principal), principal

    def _principal(self, request: Request) -> Principal:
        view = (request.parser_context or {}).get("view")
        allow_query_token = bool(getattr(view, "allow_query_token", False))
        try:
            return authenticate_http(request._request, allow_query_token=allow_query_token)
        except AccountsError as error:
            if isinstance(error, AuthenticationError):
                self._challenge = challenge_of(error, path=request.path)
            raise as_api_exception(error) from error

    def authenticate_header(self, request: Request) -> str:
        return self._challenge


def _user_of(principal: Principal) -> Any:
    if principal.user_id is None:
        return AnonymousUser()
    return SimpleLazyObject(lambda: User.objects.get(pk=principal.user_id))


def as_api_exception(error: AccountsError) -> exceptions.APIException:
    """What DRF has to raise for a refusal, so that it adds its headers."""
    if isinstance(error, MissingCredential):
        return exceptions.NotAuthenticated(str(error), error.code)
    if isinstance(error, InvalidCredential):
        return exceptions.AuthenticationFailed(str(error), error.code)
    if isinstance(error, TooManyAttempts):
        return exceptions.Throttled(error.retry_after, code=error.code)
    if isinstance(error, (CredentialStoreUnavailable, AuditUnavailable)):
        unavailable = exceptions.APIException(str(error), error.code)
        unavailable.status_code = 503
        return unavailable
    return exceptions.PermissionDenied(str(error), error.code)
