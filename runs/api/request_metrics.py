"""Counts and times every HTTP request, whatever surface it is for."""

import time
from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve

from runs import metrics

#: Labels are bounded: what clients invent is not one.
UNKNOWN_ROUTE = "unknown"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER_METHOD = "OTHER"


class RequestMetrics:
    """Stands outside the other middleware, so that refusals count and their time is included.

    A stream is timed until it begins.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        response = self.get_response(request)
        seconds = time.perf_counter() - started
        method = request.method if request.method in _METHODS else _OTHER_METHOD
        metrics.record_request(_route(request), method or "", response.status_code, seconds)
        return response


def _route(request: HttpRequest) -> str:
    """The pattern that matches the path, never the path."""
    match = request.resolver_match
    if match is None:  # it was refused before anybody looked where it leads
        try:
            match = resolve(request.path_info)
        except Resolver404:
            return UNKNOWN_ROUTE
    return f"/{match.route}"
