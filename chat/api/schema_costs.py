"""What the report of costs looks like, for the OpenAPI document."""

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from drf_spectacular.utils import extend_schema_view as describe
from pydantic import Field

from chat.costs.report import DEFAULT_PERIOD, PERIODS
from runs.api.shapes import ErrorBody, Shape


class Totals(Shape):
    total_cost_usd: float
    total_input_tokens: int = Field(description="Cached ones included")
    total_output_tokens: int
    total_cache_read: int
    total_cache_write: int
    total_turns: int = Field(description="Runs")


class UserCosts(Totals):
    user_id: str


class ModelCosts(Totals):
    model: str


class SourceCosts(Totals):
    source: str = Field(description="What started the runs: `api`, `chat`, `cron`, …")


class ModelShare(Shape):
    model: str
    cost_usd: float


class DayCosts(Shape):
    date: str = Field(description="UTC")
    total_cost_usd: float
    by_model: list[ModelShare]


class ToolCounts(Shape):
    tool_name: str
    invocations: int
    errors: int


class Costs(Totals):
    by_user: list[UserCosts]
    by_model: list[ModelCosts]
    by_day: list[DayCosts]
    by_tool: list[ToolCounts]
    by_source: list[SourceCosts]


describe_costs = describe(
    get=extend_schema(
        operation_id="readCosts",
        summary="What was spent in a period",
        description="Runs count in the period in which they began.",
        tags=["Users"],
        parameters=[
            OpenApiParameter(
                "period",
                {"type": "string", "enum": list(PERIODS), "default": DEFAULT_PERIOD},
                description="Reaches back from now",
            )
        ],
        responses={
            200: Costs,
            400: OpenApiResponse(ErrorBody, "There is no such period"),
            401: OpenApiResponse(ErrorBody, "No credential, or a wrong one"),
            403: OpenApiResponse(ErrorBody, "Admin access required"),
            429: OpenApiResponse(ErrorBody, "Too many requests, or too many wrong credentials"),
        },
    )
)
