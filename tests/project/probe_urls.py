"""Views that tell which thread and which database connection served them, and that misbehave."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.errors import CounterfactualLimited
from project.urls import handler400, handler403, handler404, handler500
from project.urls import urlpatterns as product_urls
from runs.errors import InvalidInput, QueueFull, RunNotFound

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

SECRET_DETAIL = "SELECT * FROM secrets WHERE path = '/etc/shadow'"


def mark(name: str) -> None:
    Path(settings.DATA_DIR, name).touch()


def where(request: HttpRequest) -> HttpResponse:
    connection.ensure_connection()
    time.sleep(0.01)  # keeps the thread, so that concurrent requests need others
    thread = threading.current_thread()
    facts = {"thread": thread.name, "ident": thread.ident, "connection": id(connection.connection)}
    return JsonResponse(facts)


@csrf_exempt
def length(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"length": len(request.body)})


def boom(request: HttpRequest) -> HttpResponse:
    raise RuntimeError(SECRET_DETAIL)


@csrf_exempt
@require_safe
def only_get(request: HttpRequest) -> HttpResponse:
    return HttpResponse("fetched")


def endless(request: HttpRequest) -> StreamingHttpResponse:
    async def parts() -> AsyncIterator[str]:
        try:
            yield f"{threading.current_thread().name}\n"
            while True:
                await asyncio.sleep(0.01)
                yield "tick\n"
        finally:
            mark("endless-closed")

    return StreamingHttpResponse(parts(), content_type="text/plain")


def silent(request: HttpRequest) -> StreamingHttpResponse:
    async def parts() -> AsyncIterator[str]:
        try:
            yield "open\n"
            await asyncio.Event().wait()
        finally:
            mark("silent-closed")

    return StreamingHttpResponse(parts(), content_type="text/plain")


def breaks(request: HttpRequest) -> StreamingHttpResponse:
    async def parts() -> AsyncIterator[str]:
        yield "begun\n"
        raise RuntimeError(SECRET_DETAIL)

    return StreamingHttpResponse(parts(), content_type="text/plain")


def numbers(request: HttpRequest) -> StreamingHttpResponse:
    def parts() -> Iterator[str]:
        for number in range(200_000):
            yield f"{number}\n"

    return StreamingHttpResponse(parts(), content_type="text/plain")


def page(request: HttpRequest) -> HttpResponse:
    return render(request, "base.html")


class GoalSerializer(serializers.Serializer[dict[str, str]]):
    goal = serializers.CharField()


class RefusingView(APIView):
    """Raises what the path says."""

    authentication_classes = []
    permission_classes = []

    def get(self, request: Request, what: str) -> Response:
        errors = {
            "missing": RunNotFound("there is no run 42"),
            "full": QueueFull("100 runs wait already"),
            "invalid": InvalidInput("limit must be at most 1000", field="limit"),
            "forks": CounterfactualLimited(retry_after=6),
            "boom": RuntimeError(SECRET_DETAIL),
        }
        raise errors[what]

    def post(self, request: Request, what: str) -> Response:
        body = GoalSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(body.validated_data, status=202)


urlpatterns = [
    *product_urls,
    path("where", where),
    path("length", length),
    path("boom", boom),
    path("only-get", only_get),
    path("endless", endless),
    path("silent", silent),
    path("breaks", breaks),
    path("numbers", numbers),
    path("page", page),
    *[
        path(f"{area}refusing/<what>", RefusingView.as_view())
        for area in ("api/", "api/v1/", "v1/")
    ],
]
