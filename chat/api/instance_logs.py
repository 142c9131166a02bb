"""`GET /api/instances/{id}/logs`: the end of a log, and with `follow` what comes, as a stream.

As server-sent events, or as lines to download. What the backend refuses before its log begins is
an ordinary answer; what goes wrong later is said in the stream.
"""

import re
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import ClassVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from accounts import capabilities
from accounts.authentication import is_still_valid
from accounts.principals import Principal
from chat.api.base import ApiRequest, GatewayView
from chat.api.instances import told_as
from chat.api.log_forms import LogForm, form_of
from chat.api.schema_instances import TAIL_DEFAULT, TAIL_MAX, describe_logs
from chat.errors import OutOfRange
from chat.log_feed import LogFeed
from instances.services import fleet
from project.lib.deferred import DeferredResponse
from project.lib.pool import in_database_thread
from runs.streams import admission_seconds

#: A backend that has said nothing by then has not refused: the response begins.
BEGIN_SECONDS = 1.5
PREFIX = "Instance logs error: "

_WHOLE_NUMBER = re.compile(r"[0-9]{1,9}")
_SWITCHES = {"1": True, "true": True, "0": False, "false": False}


@dataclass(frozen=True, slots=True)
class LogRequest:
    instance_id: str
    tail: int
    follow: bool
    form: LogForm
    caller: Principal
    is_head: bool


@describe_logs
class InstanceLogsView(GatewayView):
    capabilities: ClassVar = {"GET": capabilities.INSTANCES_READ}

    def get(self, request: ApiRequest, instance_id: str) -> HttpResponse:
        accept = request.headers.get("Accept", "")
        wanted = LogRequest(
            instance_id,
            tail=_read_tail(request),
            follow=_read_switch(request, "follow"),
            form=form_of(accept, is_download=_read_switch(request, "download")),
            caller=request.principal,
            is_head=request.method == "HEAD",
        )
        return DeferredResponse(request, lambda: _answer(wanted))


async def _answer(wanted: LogRequest) -> HttpResponseBase:
    headers = wanted.form.headers(wanted.instance_id)
    entries = fleet.instance_logs(wanted.instance_id, tail=wanted.tail, follow=wanted.follow)
    feed = LogFeed(entries, reader=wanted.caller.actor)
    try:
        with told_as(PREFIX):
            await feed.begin(BEGIN_SECONDS)
    except BaseException:
        feed.cancel()
        raise
    if wanted.is_head:
        feed.cancel()
        return HttpResponse(headers=headers)
    response = StreamingHttpResponse(_chunks(wanted, feed), headers=headers)
    # The generator's own clean-up does not run when nobody ever asked it for a chunk.
    response._resource_closers.append(feed.cancel)  # type: ignore[attr-defined]
    return response


async def _chunks(wanted: LogRequest, feed: LogFeed) -> AsyncGenerator[bytes, None]:
    try:
        async for chunk in _parts(wanted, feed):
            if chunk:
                yield chunk
    finally:
        feed.cancel()


async def _parts(wanted: LogRequest, feed: LogFeed) -> AsyncGenerator[bytes, None]:
    form, admitted_at = wanted.form, time.monotonic()
    yield form.opening()
    while not feed.is_over:
        batch = await feed.next_batch(settings.STARPORT_STREAM_HEARTBEAT_SECONDS)
        if time.monotonic() - admitted_at >= admission_seconds():
            if not await in_database_thread(is_still_valid, wanted.caller):
                yield form.failure("the credential counts no more")
                return
            admitted_at = time.monotonic()
        yield form.entries(batch) if batch or feed.is_over else form.heartbeat
    yield form.failure(f"{PREFIX}{feed.failure}") if feed.failure else form.end(feed.count)


def _read_tail(request: HttpRequest) -> int:
    text = request.GET.get("tail", str(TAIL_DEFAULT))
    if not _WHOLE_NUMBER.fullmatch(text) or not 1 <= int(text) <= TAIL_MAX:
        raise OutOfRange(f"tail must be a whole number from 1 to {TAIL_MAX}", field="tail")
    return int(text)


def _read_switch(request: HttpRequest, name: str) -> bool:
    text = request.GET.get(name, "0").lower()
    if text not in _SWITCHES:
        raise OutOfRange(f"{name} must be 0 or 1", field=name)
    return _SWITCHES[text]
