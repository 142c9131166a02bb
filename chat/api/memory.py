"""`/api/memory`: looking through what the assistant remembers."""

import asyncio
import re
from dataclasses import asdict
from typing import ClassVar

from django.db import connections
from django.http import HttpRequest, HttpResponse

from accounts import capabilities
from chat.api.base import ApiRequest, GatewayView, json_response
from chat.api.schema_memory import describe_reindex, describe_search
from chat.errors import OutOfRange
from chat.memory.by_hand import reindex_by_hand
from chat.memory.search import search
from chat.services.sessions import owner_of
from project.lib.deferred import DeferredResponse

DEFAULT_LIMIT = 10

_WHOLE_NUMBER = re.compile(r"\+?[0-9]{1,19}")


@describe_search
class MemorySearchView(GatewayView):
    capabilities: ClassVar = {"GET": capabilities.CHAT_USE}

    def get(self, request: ApiRequest) -> HttpResponse:
        query = request.GET.get("q")
        if query is None:
            raise OutOfRange("q: parameter required", field="q")
        hits = search(owner_of(request.principal), query, _limit(request))
        return json_response([asdict(hit) for hit in hits])


@describe_reindex
class MemoryReindexView(GatewayView):
    capabilities: ClassVar = {"POST": capabilities.SETTINGS_MANAGE}

    def post(self, request: ApiRequest) -> HttpResponse:
        actor = request.principal.actor
        return DeferredResponse(request, lambda: _reindexed(actor))


async def _reindexed(actor: str) -> HttpResponse:
    """In a thread of its own: it may take minutes, and request threads are few."""
    await asyncio.to_thread(_reindex, actor)
    return json_response({"status": "ok"})


def _reindex(actor: str) -> None:
    try:
        reindex_by_hand(actor=actor)
    finally:
        connections.close_all()  # this thread's own


def _limit(request: HttpRequest) -> int:
    text = request.GET.get("limit")
    if text is None:
        return DEFAULT_LIMIT
    if not _WHOLE_NUMBER.fullmatch(text):
        raise OutOfRange("limit: must be a whole number, 0 or more", field="limit")
    return int(text)
