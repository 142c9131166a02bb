"""`GET /api/frame-check`: may a page be shown in a frame, and if not, what stands for it?"""

from typing import ClassVar

from django.http import HttpResponse

from accounts import capabilities
from chat.api.base import ApiRequest, GatewayView, json_response
from chat.api.schema_frame_check import describe_frame_check
from chat.errors import MalformedBody
from chat.frames import check_frame
from project.lib.deferred import DeferredResponse


@describe_frame_check
class FrameCheckView(GatewayView):
    capabilities: ClassVar = {"GET": capabilities.CHAT_USE}

    def get(self, request: ApiRequest) -> HttpResponse:
        url = request.GET.get("url")
        if url is None:
            raise MalformedBody("url: query parameter required")
        return DeferredResponse(request, lambda: _answer(url))


async def _answer(url: str) -> HttpResponse:
    verdict = await check_frame(url)
    return json_response(
        {
            "frameable": verdict.frameable,
            "reason": verdict.reason,
            "ogImage": verdict.og_image,
            "ogTitle": verdict.og_title,
        }
    )
