"""What the operations on cron jobs take and answer, for the OpenAPI document."""

from collections.abc import Callable
from typing import Any, Literal

from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
)
from drf_spectacular.utils import extend_schema_view as describe
from pydantic import Field, RootModel

from chat.cron import definitions as fields
from chat.cron.schedules import CronExpression, Interval, OneShot
from runs.api.shapes import ABSENT, ErrorBody, Shape

_Seconds = Field(description="Unix seconds")


class CronSchedule(RootModel[Interval | CronExpression | OneShot]):
    pass


class CronJobItem(Shape):
    id: str
    name: str
    prompt: str
    schedule: CronSchedule
    enabled: bool
    delete_after_run: bool
    created_at: int = _Seconds
    last_run_at: int | None = _Seconds
    next_run_at: int | None = Field(description="Unix seconds; null: never again")
    retry_count: int = Field(description="Which retry comes next, or came last")
    max_retries: int
    last_error: str | None
    retry_at: int | None = _Seconds
    timeout_secs: int
    session_mode: Literal["isolated", "main"]
    overlap: Literal["skip", "queue", "parallel"]
    catches_up: bool
    user_id: str | None = Field(description="Null: the assistant's own")


class CronJobList(RootModel[list[CronJobItem]]):
    pass


class CronRunItem(Shape):
    id: str
    job_id: str
    due_at: int = Field(description="The time it is for, Unix seconds")
    attempt: int = Field(description="0, then retries; below 0: started by hand")
    started_at: int | None = _Seconds
    completed_at: int | None = _Seconds
    status: Literal["pending", "running", "success", "failed", "skipped"]
    result_summary: str | None
    session_id: str | None
    run_id: str | None


class CronRunList(RootModel[list[CronRunItem]]):
    pass


class CronJobChanges(Shape):
    """What is absent stays as it is."""

    name: fields.Name = ABSENT
    prompt: fields.Prompt = ABSENT
    schedule: CronSchedule = ABSENT
    enabled: fields.Enabled = ABSENT
    delete_after_run: fields.DeleteAfterRun = ABSENT
    session_mode: fields.SessionMode = ABSENT
    overlap: fields.Overlap = ABSENT
    catches_up: fields.CatchesUp = ABSENT
    max_retries: fields.MaxRetries = ABSENT
    timeout_secs: fields.TimeoutSecs = ABSENT


class NewCronJob(CronJobChanges):
    """What is absent is as the cron settings have it, or as the description says."""

    name: fields.Name
    prompt: fields.Prompt
    schedule: CronSchedule
    user_id: str = Field(
        ABSENT, description="For administrators: whose job it is; empty: the assistant's own"
    )


_REFUSALS = {
    400: "A value is out of range, lies in the past, or the body is no JSON",
    401: "No credential, or a wrong one",
    403: "The caller lacks the capability",
    404: "There is no such job, or the caller may not see it",
    409: "The name is taken, or a run is under way",
    413: "The body is too large",
    415: "The body is not `application/json`",
    422: "A field is missing or has another type",
    429: "Too many requests, or too many wrong credentials",
}
_EXAMPLE = OpenApiExample(
    "Every weekday",
    value={
        "name": "report",
        "prompt": "Write the daily report.",
        "schedule": {"kind": "cron", "expr": "0 9 * * MON-FRI"},
    },
    request_only=True,
)


def _refusals(*statuses: int) -> dict[int | tuple[int, str], Any]:
    return {
        status: OpenApiResponse(ErrorBody, _REFUSALS[status])
        for status in (*statuses, 401, 403, 429)
    }


def _operation(name: str, summary: str, **facts: Any) -> Callable[..., Any]:
    facts.setdefault("description", f"{summary}.")
    return extend_schema(operation_id=name, summary=summary, tags=["Cron"], **facts)


describe_jobs = describe(
    get=_operation(
        "listCronJobs",
        "List one's own cron jobs; administrators see everybody's",
        responses={200: CronJobList, **_refusals()},
    ),
    post=_operation(
        "createCronJob",
        "Make a cron job",
        request={"application/json": NewCronJob},
        examples=[_EXAMPLE],
        responses={201: CronJobItem, **_refusals(400, 409, 413, 415, 422)},
    ),
)

describe_job = describe(
    put=_operation(
        "updateCronJob",
        "Change a cron job",
        request={"application/json": CronJobChanges},
        responses={200: CronJobItem, **_refusals(400, 404, 409, 413, 415, 422)},
    ),
    delete=_operation(
        "deleteCronJob",
        "Delete a cron job and its records",
        responses={204: OpenApiResponse(description="It is gone"), **_refusals(400, 404)},
    ),
)

describe_runs = describe(
    get=_operation(
        "listCronRuns",
        "What became of a job's times, newest first",
        parameters=[
            OpenApiParameter(
                "limit",
                {"type": "integer", "minimum": 1, "default": 50},
                description="Above 200 it counts as 200",
            )
        ],
        responses={200: CronRunList, **_refusals(400, 404)},
    )
)

describe_run = describe(
    post=_operation(
        "runCronJob",
        "Run a job now",
        description="It waits for a slot like any other run, and is not retried when it fails.",
        request=None,
        responses={202: CronRunItem, **_refusals(404, 409)},
    )
)
