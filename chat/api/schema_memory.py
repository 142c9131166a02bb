"""What the routes of the memory take and answer, for the OpenAPI document."""

from collections.abc import Callable
from typing import Any, Literal

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from drf_spectacular.utils import extend_schema_view as describe
from pydantic import Field, RootModel

from runs.api.shapes import ErrorBody, Shape

_REFUSALS = {
    400: "A parameter is missing, or no number",
    401: "No credential, or a wrong one",
    403: "The caller lacks the capability",
    429: "Too many requests, or too many wrong credentials",
}


class MemoryHit(Shape):
    source: str = Field(description="The document's name; the caller's own or a shared one")
    text: str
    line_start: int = Field(ge=1)
    line_end: int = Field(ge=1, description="Inclusive")


class MemoryHits(RootModel[list[MemoryHit]]):
    pass


class Reindexed(Shape):
    status: Literal["ok"]


def _refusals(*statuses: int) -> dict[int, Any]:
    return {
        status: OpenApiResponse(ErrorBody, _REFUSALS[status])
        for status in (*statuses, 401, 403, 429)
    }


def _operation(name: str, summary: str, **facts: Any) -> Callable[..., Any]:
    facts.setdefault("description", f"{summary}.")
    return extend_schema(operation_id=name, summary=summary, tags=["Memory"], **facts)


describe_search = describe(
    get=_operation(
        "searchMemory",
        "Search the shared documents and the caller's own",
        description=(
            "Search the shared documents and the caller's own, the best first. Words must all "
            "occur; if they do nowhere, any of them may. Quotes make a phrase, a star at the end "
            "of a word its beginning; every other sign only separates words."
        ),
        parameters=[
            OpenApiParameter("q", str, required=True, description="Any text; blank finds nothing"),
            OpenApiParameter(
                "limit",
                {"type": "integer", "minimum": 0, "default": 10},
                description="Kept between 1 and 100",
            ),
        ],
        responses={200: MemoryHits, **_refusals(400)},
    )
)

describe_reindex = describe(
    post=_operation(
        "reindexMemory",
        "Cut and index all documents anew",
        description=(
            "Cut and index the shared and all users' documents anew, and answer when it is done. "
            "Searches meanwhile find what they found before."
        ),
        request=None,
        responses={200: Reindexed, **_refusals()},
    )
)
