"""How the gateway writes what several of its routes show. Shapes describe, and validate nothing."""

from datetime import UTC, datetime

from pydantic import Field

from runs.api.shapes import Shape

Moment = Field(
    description="RFC 3339, UTC as `+00:00`, six digits",
    json_schema_extra={"format": "date-time"},
)


class Marked(Shape):
    ok: bool


def moment(at: datetime) -> str:
    """Always UTC and always as wide: clients may compare these as strings."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")
