"""`/metrics`: what Prometheus scrapes."""

from typing import ClassVar

from django.conf import settings
from django.http import HttpResponse
from django_prometheus.exports import ExportToDjangoView

from accounts import capabilities
from runs import metrics
from runs.api.schema import describe_metrics
from runs.services.queue import queue_depth
from runs.surface import ApiRequest, SurfaceView


@describe_metrics
class MetricsView(SurfaceView):
    """All processes' metrics when `PROMETHEUS_MULTIPROC_DIR` is set, else this one's."""

    capabilities: ClassVar = {"GET": capabilities.METRICS_READ}

    def get(self, request: ApiRequest) -> HttpResponse:
        # The queue is a table that other processes change too: asked now, not kept up to date.
        metrics.queue_depth.set(queue_depth())
        metrics.queue_capacity.set(settings.STARPORT_QUEUE)
        page: HttpResponse = ExportToDjangoView(request)
        return page
