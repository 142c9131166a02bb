"""Login sessions that were opened with an API key end when the key does, or when it is limited and
its owner becomes an administrator: the admin site knows nothing of limits."""

from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from accounts import capabilities
from accounts.errors import InvalidCredential
from accounts.models import User
from accounts.verification import key_principal

_SESSION_KEY = "accounts_api_key_id"


def remember_key(request: HttpRequest, key_id: str) -> None:
    request.session[_SESSION_KEY] = key_id


def key_of_session(request: HttpRequest) -> str | None:
    """The id of the key that opened this login session; `None` for one opened by password."""
    key_id = request.session.get(_SESSION_KEY)
    return key_id if isinstance(key_id, str) else None


class KeySessions:
    """Logs out a session whose key does not open it any more. Stands after the login's."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if settings.SESSION_COOKIE_NAME in request.COOKIES:
            _end_if_key_opens_no_more(request)
        return self.get_response(request)


def _end_if_key_opens_no_more(request: HttpRequest) -> None:
    key_id = key_of_session(request)
    if key_id is None:
        return
    try:
        principal = key_principal(key_id)
    except InvalidCredential:
        logout(request)
        return
    if principal.role == User.Role.ADMIN and principal.capabilities != capabilities.ALL:
        logout(request)
