"""Artifacts of `/v1`: what a run has, and the bytes."""

from typing import ClassVar

from csp.constants import NONE
from csp.decorators import csp
from django.http import HttpResponse, HttpResponseNotModified, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.utils.http import content_disposition_header, parse_etags

from accounts import audit, capabilities
from runs.artifacts import ArtifactMissing, open_blob
from runs.errors import ArtifactNotFound
from runs.graph_api import schema
from runs.graph_api.summaries import artifact_row
from runs.graph_api.views import GraphView
from runs.models import ArtifactRef
from runs.services.artifacts import find_artifact, list_artifacts
from runs.surface import ApiRequest, json_response

#: What a browser shows without running anything in it. Everything else it is told to save: HTML,
#: SVG, XML and PDF carry scripts, and of most types nobody knows what tomorrow's browser does.
SHOWN_TYPES = frozenset(
    {
        "application/json",
        "audio/mpeg",
        "audio/ogg",
        "audio/wav",
        "image/avif",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/webp",
        "text/csv",
        "text/markdown",
        "text/plain",
        "video/mp4",
        "video/webm",
    }
)


@schema.describe_run_artifacts
class RunArtifactsView(GraphView):
    capabilities: ClassVar = {"GET": capabilities.ARTIFACTS_READ}

    def get(self, request: ApiRequest, run_id: str) -> HttpResponse:
        return json_response(
            [artifact_row(ref) for ref in list_artifacts(request.principal, run_id)]
        )


@schema.describe_artifact
class ArtifactView(GraphView):
    capabilities: ClassVar = {"GET": capabilities.ARTIFACTS_READ}

    @method_decorator(csp({"default-src": [NONE], "sandbox": True}))
    def get(self, request: ApiRequest, artifact_id: str) -> HttpResponseBase:
        ref = find_artifact(request.principal, artifact_id)
        etag = f'"{ref.digest}"'
        response: HttpResponseBase
        if _has(request, etag):
            response = HttpResponseNotModified()
        else:
            response = _content(ref)
            audit.record(
                "artifact_read",
                actor=request.principal.actor,
                run_id=ref.run_id,
                pack_id=audit.ARTIFACTS,
                artifact_id=ref.artifact_id,
            )
        response.headers["ETag"] = etag
        response.headers["Cache-Control"] = "private, immutable"
        return response


def _has(request: ApiRequest, etag: str) -> bool:
    """Whether the caller says that it keeps these bytes."""
    kept = parse_etags(request.headers.get("If-None-Match", ""))
    return kept == ["*"] or etag in [tag.removeprefix("W/") for tag in kept]


def _content(ref: ArtifactRef) -> StreamingHttpResponse:
    """The bytes, checked before the first of them is sent."""
    try:
        blob = open_blob(ref.digest)
    except ArtifactMissing:
        if ArtifactRef.objects.filter(pk=ref.pk).exists():
            raise  # lost: a defect, and no matter of the caller's
        # Pruned since it was looked up.
        raise ArtifactNotFound(f"artifact '{ref.artifact_id}' not found") from None
    response = StreamingHttpResponse(blob, content_type=ref.content_type)
    is_shown = ref.content_type.partition(";")[0].strip().lower() in SHOWN_TYPES
    response.headers["Content-Length"] = str(ref.size)
    response.headers["Content-Disposition"] = (
        content_disposition_header(not is_shown, ref.name) or "attachment"
    )
    return response
