"""Django's middleware for people who are logged in, which calls of the APIs go past.

Programs bring a key with each request. Sessions, users and messages took a tenth of
what such a request costs, and nobody behind them asked. Who brings cookies gets all of it on every
path: a login may call the APIs, too.
"""

from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.utils.deprecation import MiddlewareMixin

# Below these, `accounts.authentication` decides who calls, and guards what a login does there.
_APIS = ("/api/v1/", "/v1/")


class _ForLogins(MiddlewareMixin):
    """Goes before a middleware of Django among the bases of a class."""

    def __call__(self, request: HttpRequest) -> Any:
        if "HTTP_COOKIE" not in request.META and request.path_info.startswith(_APIS):
            return self.get_response(request)
        return super().__call__(request)


class Sessions(_ForLogins, SessionMiddleware):
    pass


class Users(_ForLogins, AuthenticationMiddleware):
    pass


class Messages(_ForLogins, MessageMiddleware):
    pass
