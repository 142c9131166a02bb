"""The shapes of the triggers' JSON bodies, for the OpenAPI document."""

from typing import Any, Literal

from pydantic import Field, RootModel

from runs.api.shapes import Shape

_Moment = Field(description="RFC 3339, UTC", json_schema_extra={"format": "date-time"})


class Accepted(Shape):
    accepted: Literal[True]
    idempotency_key: str = Field(
        description="Of trigger and body, lower-case hex", pattern="^[0-9a-f]{64}$"
    )
    run_id: str = Field(description="The run; the same one for the same body within a day")


class TriggerEntry(Shape):
    trigger_id: str
    kind: Literal["manual", "cron", "webhook"]
    graph_id: str
    enabled: bool
    source: Literal["admin", "file"]
    next_fire_at: str | None = _Moment
    last_fired_at: str | None = _Moment
    last_run_id: str | None = Field(description="Null to callers who see their own runs alone")


class TriggerList(RootModel[list[TriggerEntry]]):
    pass


class JsonObject(RootModel[dict[str, Any]]):
    pass
