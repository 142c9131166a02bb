"""What happens around every request. `settings.MIDDLEWARE` has the order."""

import re
from collections.abc import Callable

import structlog
from csp.constants import HEADER as CSP_HEADER
from csp.middleware import CSPMiddleware, PolicyParts
from csp.utils import build_policy
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from accounts import rate_limits
from accounts.authentication import authenticate_http
from accounts.errors import AccountsError, AuthenticationError, RateLimited
from accounts.principals import Principal
from project import api_errors
from project.lib.ids import new_ulid

GetResponse = Callable[[HttpRequest], HttpResponseBase]

# What a caller may choose as request id; anything else could forge log lines.
_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class RequestIds:
    """Gives every request an id, which its log lines and its response carry."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        proposed = request.headers.get("X-Request-Id", "")
        request_id = proposed if _SANE_REQUEST_ID.fullmatch(proposed) else new_ulid()
        # Threads outlive requests: facts of the last one must not label this one's log lines.
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        response = self.get_response(request)
        response.headers["X-Request-Id"] = request_id
        return response


class ContentSecurityPolicy(CSPMiddleware):
    """The strict policy everywhere; under /admin/ the one its theme can work with.

    Both are built once: building one takes longer than many a view. A response that asks for its
    own, by a decorator of django-csp or by using the nonce, gets it.
    """

    def __init__(self, get_response: GetResponse) -> None:
        super().__init__(get_response)
        self._strict = build_policy(config=settings.CONTENT_SECURITY_POLICY["DIRECTIVES"])
        self._admin = build_policy(config=settings.STARPORT_ADMIN_CSP)

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if not report_only and request.path_info.startswith("/admin/"):
            parts.config = settings.STARPORT_ADMIN_CSP
        return parts

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        is_admin = request.path_info.startswith("/admin/")
        if getattr(request, "csp_nonce", None) or any(
            hasattr(response, name) for name in _OWN_POLICY
        ):
            return super().process_response(request, response)
        response.headers[CSP_HEADER] = self._admin if is_admin else self._strict
        return response


# What the decorators of django-csp leave on a response.
_OWN_POLICY = (
    "_csp_config",
    "_csp_config_ro",
    "_csp_update",
    "_csp_update_ro",
    "_csp_replace",
    "_csp_replace_ro",
    "_csp_exempt",
    "_csp_exempt_ro",
)


class RateLimits:
    """Tells on every response how much of the caller's quota is left; see `accounts.rate_limits`.

    A view's gate charges who may call it. Everything that came to no gate (a wrong credential, an
    unknown path, a wrong method) is charged here, afterwards: it was refused in any case. Only 403
    costs nothing, because the limit comes after the capability.
    """

    EXEMPT = (
        "/admin",
        "/static",
        "/health",
        "/api/health",
        "/api/auth/verify",
        "/api/v1/healthz",
        "/api/v1/readyz",
    )

    def __init__(self, get_response: GetResponse) -> None:
        if not settings.RATELIMIT_ENABLED:
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if _is_below(request.path_info, self.EXEMPT):
            return self.get_response(request)
        meter = rate_limits.Meter()
        request.meter = meter  # type: ignore[attr-defined]
        response = self.get_response(request)
        if not meter.is_charged:
            response = self._charged(request, response, meter)
        if meter.standing is not None:
            response.headers["X-RateLimit-Limit"] = str(meter.standing.limit)
            response.headers["X-RateLimit-Remaining"] = str(meter.standing.remaining)
            response.headers["X-RateLimit-Reset"] = str(meter.standing.reset)
        return response

    def _charged(
        self, request: HttpRequest, response: HttpResponseBase, meter: rate_limits.Meter
    ) -> HttpResponseBase:
        """The response to what came to no gate, or the 429 that takes the place of a refusal."""
        principal: Principal | None = getattr(request, "principal", None)
        if principal is not None and response.status_code == 403:
            meter.standing = rate_limits.look(request, principal)
            return response
        try:
            rate_limits.charge(request, principal)
        except RateLimited as error:
            if 400 <= response.status_code < 500 and response.status_code != 429:
                return api_errors.response_to(request, error) or response
        return response


class ErrorBodies:
    """Refusals that do not come from a DRF view get the body of their surface all the same."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if response.status_code == 405 and not hasattr(response, "accepted_renderer"):
            response = api_errors.method_not_allowed(request, response.headers.get("Allow", ""))
        if request.path_info.startswith(("/api/", "/v1/", "/hooks/", "/openai/")):
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponseBase | None:
        return api_errors.response_to(request, exception)


class GuardedPrefixes:
    """Below these paths who is unknown learns nothing, not even which paths exist.

    The principal stays on the request, so that the view's authentication need not ask again.
    """

    PREFIXES = ("/api", "/v1", "/metrics", "/inspect", "/openai")
    #: Whoever asks for these may be anybody.
    PUBLIC = ("/api/health", "/api/auth/verify", "/api/config")

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        path = request.path_info
        if path in self.PUBLIC or not _is_below(path, self.PREFIXES):
            return self.get_response(request)
        try:
            principal = authenticate_http(
                request, allow_query_token=request.path_info.endswith("/stream")
            )
        except AccountsError as error:
            return self._refuse(request, error)
        request.principal = principal  # type: ignore[attr-defined]
        return self.get_response(request)

    def _refuse(self, request: HttpRequest, error: AccountsError) -> HttpResponseBase:
        is_page = request.path_info.startswith("/inspect") and "text/html" in request.headers.get(
            "Accept", ""
        )
        if is_page and isinstance(error, AuthenticationError):
            return redirect_to_login(request.get_full_path(), settings.LOGIN_URL)
        response = api_errors.response_to(request, error)
        assert response is not None  # the table has every refusal of accounts
        return response


class BodyLimit:
    """Refuses a body that the ASGI handler stopped reading at the limit."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if getattr(request, "body_is_too_large", False):
            return api_errors.body_too_large(request)
        return self.get_response(request)


def _is_below(path: str, prefixes: tuple[str, ...]) -> bool:
    return any(path == prefix or path.startswith(prefix + "/") for prefix in prefixes)
