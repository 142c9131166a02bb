"""`/api/instances`: the backend's instances. Every answer is waited for on the event loop."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, ClassVar, TypeVar

from django.http import HttpResponse
from pydantic import Field

from accounts import capabilities
from chat.api import schema_instances as schema
from chat.api.base import ApiRequest, GatewayView, json_response
from chat.api.bodies import Body, read_body
from instances.errors import InstancesError, NotConfigured
from instances.objects import instance_map
from instances.services import fleet
from instances.services.turns import turn_of
from project.lib.deferred import DeferredResponse

ResultT = TypeVar("ResultT")

NAME_MAX_CHARS = 200

_under_way: set[asyncio.Task[Any]] = set()


class NewInstanceBody(Body):
    name: str | None = Field(None, max_length=NAME_MAX_CHARS)
    region: str | None = Field(None, max_length=NAME_MAX_CHARS)


@schema.describe_instances(NewInstanceBody)
class InstancesView(GatewayView):
    capabilities: ClassVar = {
        "GET": capabilities.INSTANCES_READ,
        "POST": capabilities.INSTANCES_MANAGE,
    }

    def get(self, request: ApiRequest) -> HttpResponse:
        actor = request.principal.actor
        return DeferredResponse(request, lambda: _listed(actor))

    def post(self, request: ApiRequest) -> HttpResponse:
        body = read_body(request, NewInstanceBody)
        actor = request.principal.actor
        return DeferredResponse(request, lambda: _created(body, actor))


@schema.describe_instance
class InstanceView(GatewayView):
    capabilities: ClassVar = {
        "GET": capabilities.INSTANCES_READ,
        "DELETE": capabilities.INSTANCES_MANAGE,
    }

    def get(self, request: ApiRequest, instance_id: str) -> HttpResponse:
        actor = request.principal.actor
        return DeferredResponse(request, lambda: _shown(instance_id, actor))

    def delete(self, request: ApiRequest, instance_id: str) -> HttpResponse:
        actor = request.principal.actor
        return DeferredResponse(request, lambda: _killed(instance_id, actor))


@schema.describe_pause
class PauseInstanceView(GatewayView):
    capabilities: ClassVar = {"POST": capabilities.INSTANCES_MANAGE}

    def post(self, request: ApiRequest, instance_id: str) -> HttpResponse:
        actor = request.principal.actor
        return DeferredResponse(request, lambda: _paused(instance_id, actor))


@schema.describe_restart
class RestartInstanceView(GatewayView):
    capabilities: ClassVar = {"POST": capabilities.INSTANCES_MANAGE}

    def post(self, request: ApiRequest, instance_id: str) -> HttpResponse:
        actor = request.principal.actor
        return DeferredResponse(request, lambda: _restarted(instance_id, actor))


@schema.describe_health
class InstanceHealthView(GatewayView):
    capabilities: ClassVar = {"GET": capabilities.INSTANCES_READ}

    def get(self, request: ApiRequest, instance_id: str) -> HttpResponse:
        actor = request.principal.actor
        return DeferredResponse(request, lambda: _health(instance_id, actor))


async def _listed(actor: str) -> HttpResponse:
    with told_as("List instances error: "), turn_of(actor):
        reports = await fleet.list_instances()
    return json_response([instance_map(report) for report in reports])


async def _created(body: NewInstanceBody, actor: str) -> HttpResponse:
    with told_as("Create instance error: "):
        report = await _to_its_end(
            actor, lambda: fleet.create_instance(name=body.name, region=body.region, actor=actor)
        )
    return json_response(instance_map(report), status=201)


async def _shown(instance_id: str, actor: str) -> HttpResponse:
    with told_as("Get instance error: "), turn_of(actor):
        report = await fleet.get_instance(instance_id)
    return json_response(instance_map(report))


async def _killed(instance_id: str, actor: str) -> HttpResponse:
    with told_as("Kill instance error: "):
        await _to_its_end(actor, lambda: fleet.kill_instance(instance_id, actor=actor))
    return HttpResponse(status=204)


async def _paused(instance_id: str, actor: str) -> HttpResponse:
    with told_as("Pause instance error: "):
        await _to_its_end(actor, lambda: fleet.pause_instance(instance_id, actor=actor))
    return json_response({"status": "paused"})


async def _restarted(instance_id: str, actor: str) -> HttpResponse:
    with told_as("Restart instance error: "):
        await _to_its_end(actor, lambda: fleet.restart_instance(instance_id, actor=actor))
    return json_response({"status": "restarted"})


async def _health(instance_id: str, actor: str) -> HttpResponse:
    with told_as("Instance health error: "), turn_of(actor):
        health = await fleet.instance_health(instance_id)
    return json_response(asdict(health))


async def _to_its_end(actor: str, command: Callable[[], Coroutine[Any, Any, ResultT]]) -> ResultT:
    """A command goes on when its client leaves: the backend may have begun it already."""
    task = asyncio.create_task(_in_turn(actor, command))
    _under_way.add(task)
    task.add_done_callback(_put_away)
    return await asyncio.shield(task)


async def _in_turn(actor: str, command: Callable[[], Coroutine[Any, Any, ResultT]]) -> ResultT:
    with turn_of(actor):
        return await command()


def _put_away(task: asyncio.Task[Any]) -> None:
    _under_way.discard(task)
    if not task.cancelled():
        task.exception()  # nobody may be left to hear of it; it is on record


@contextmanager
def told_as(prefix: str) -> Iterator[None]:
    """Refusals begin with the words of their route, except that there is no backend at all."""
    try:
        yield
    except NotConfigured:
        raise
    except InstancesError as error:
        error.args = (f"{prefix}{error}",)
        raise
