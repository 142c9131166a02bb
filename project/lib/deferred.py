"""An answer that is waited for on the event loop, so that the wait holds no request thread."""

from collections.abc import Awaitable, Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase


class DeferredResponse(HttpResponse):
    """Stands in for the answer while middleware does its work; `resolve` makes the real one.

    Only handlers that know of it can send one: see `project.asgi_handler`.
    """

    def __init__(
        self, request: HttpRequest, resolve: Callable[[], Awaitable[HttpResponseBase]]
    ) -> None:
        super().__init__(content_type="application/json")
        self.request = request
        self._resolve = resolve

    async def resolve(self) -> HttpResponseBase:
        """Raises what the waiting raised."""
        return await self._resolve()

    def adopted(self, answer: HttpResponseBase) -> HttpResponseBase:
        """The answer, with the headers and cookies that middleware gave its stand-in."""
        for name, value in self.items():
            if name not in ("Content-Type", "Content-Length"):
                answer.headers.setdefault(name, value)
        answer.cookies.update(self.cookies)
        return answer
