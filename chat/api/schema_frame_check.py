"""What the check of frames takes and answers, for the OpenAPI document."""

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from drf_spectacular.utils import extend_schema_view as describe
from pydantic import Field

from runs.api.shapes import ErrorBody, Shape


class Verdict(Shape):
    frameable: bool
    reason: str = Field(description="Why not; empty when it may")
    ogImage: str = Field(description="Of a page that may not be shown")
    ogTitle: str = Field(description="Of a page that may not be shown")


describe_frame_check = describe(
    get=extend_schema(
        operation_id="checkFrame",
        summary="May a page be shown in a frame",
        description="The page is fetched: 5 seconds, 512 KiB, public addresses, ports 80 and 443.",
        tags=["Gateway"],
        parameters=[OpenApiParameter("url", str, required=True, description="http or https")],
        responses={
            200: Verdict,
            400: OpenApiResponse(ErrorBody, "No URL, or none that can be looked at"),
            401: OpenApiResponse(ErrorBody, "No credential, or a wrong one"),
            403: OpenApiResponse(ErrorBody, "It leads to an address that must not be contacted"),
            429: OpenApiResponse(ErrorBody, "Too many requests, or too many wrong credentials"),
        },
    )
)
