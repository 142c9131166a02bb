"""Is the process alive, may it be sent work, and what of it is out of order?"""

from dataclasses import asdict
from typing import ClassVar

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpResponse

from project.lib.draining import is_draining
from runs.api.schema import describe_health, describe_healthz, describe_readyz
from runs.services.components import probe_all, schema_complaint
from runs.services.queue import queue_depth
from runs.surface import ApiRequest, SurfaceView, json_response

LOG_OK = "ok"


@describe_healthz
class HealthView(SurfaceView):
    """Touches nothing but this process."""

    capabilities: ClassVar = {"GET": None}

    def get(self, request: ApiRequest) -> HttpResponse:
        return json_response({"status": "ok"})


@describe_readyz
class ReadyView(SurfaceView):
    capabilities: ClassVar = {"GET": None}

    def get(self, request: ApiRequest) -> HttpResponse:
        log, depth = _look_at_log()
        is_ready = log == LOG_OK and depth < settings.STARPORT_QUEUE and not is_draining()
        return json_response(
            {
                "status": "ready" if is_ready else "not_ready",
                "log": log,
                "queue": {"depth": depth, "capacity": settings.STARPORT_QUEUE},
                "workers": settings.STARPORT_WORKERS,
            },
            status=200 if is_ready else 503,
        )


@describe_health
class ComponentsView(SurfaceView):
    """For load balancers and people: anybody may ask, and learns no more than which part it is."""

    capabilities: ClassVar = {"GET": None}
    authentication_classes = ()

    def get(self, request: ApiRequest) -> HttpResponse:
        components = probe_all()
        is_well = all(component.status != "error" for component in components.values())
        return json_response(
            {
                "status": "ok" if is_well else "unhealthy",
                "components": {name: asdict(found) for name, found in components.items()},
            },
            status=200 if is_well else 503,
            headers={"Cache-Control": "no-store"},
        )


def _look_at_log() -> tuple[str, int]:
    """What is wrong with the database, or `ok`, and how many runs wait in it."""
    try:
        complaint = schema_complaint()
    except DatabaseError:
        return "the database does not answer", 0
    try:
        return complaint or LOG_OK, queue_depth()
    except DatabaseError:
        # Under another schema the runs may lie elsewhere: what is wrong is that schema.
        return complaint or "the database does not answer", 0
