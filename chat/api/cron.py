"""`/api/cron/jobs`: jobs of the caller, and for administrators everybody's."""

from typing import ClassVar

from django.http import HttpResponse
from pydantic import Field

from accounts import capabilities
from chat.api import schema_cron as schema
from chat.api.base import ApiRequest, GatewayView, json_response
from chat.api.bodies import Body, read_body
from chat.cron.definitions import JobChanges, NewJob
from chat.cron.firing import run_now
from chat.cron.jobs import create_job, delete_job, find_job, maker_of, update_job
from chat.cron.maps import job_map, run_map
from chat.errors import OutOfRange
from chat.models import CronJob

RUNS_DEFAULT, RUNS_MAX = 50, 200


class NewJobBody(NewJob, Body):
    #: Whose job it will be; administrators name somebody else, or nobody (`""`): the assistant.
    user_id: str | None = Field(None, max_length=36)


class JobChangesBody(JobChanges, Body):
    """All fields are optional: what is absent stays as it is."""


@schema.describe_jobs
class CronJobsView(GatewayView):
    capabilities: ClassVar = {"GET": capabilities.CHAT_USE, "POST": capabilities.CHAT_USE}

    def get(self, request: ApiRequest) -> HttpResponse:
        jobs = CronJob.objects.visible_to(request.principal).order_by("name", "owner")
        return json_response([job_map(job) for job in jobs])

    def post(self, request: ApiRequest) -> HttpResponse:
        body = read_body(request, NewJobBody)
        job = create_job(maker_of(request.principal, body.user_id), body)
        return json_response(job_map(job), status=201)


@schema.describe_job
class CronJobView(GatewayView):
    capabilities: ClassVar = {"PUT": capabilities.CHAT_USE, "DELETE": capabilities.CHAT_USE}

    def put(self, request: ApiRequest, job_id: str) -> HttpResponse:
        body = read_body(request, JobChangesBody)
        job = find_job(request.principal, job_id)
        changed = update_job(job.pk, body, by=maker_of(request.principal))
        return json_response(job_map(changed))

    def delete(self, request: ApiRequest, job_id: str) -> HttpResponse:
        delete_job(find_job(request.principal, job_id).pk)
        return HttpResponse(status=204)


@schema.describe_runs
class CronRunsView(GatewayView):
    capabilities: ClassVar = {"GET": capabilities.CHAT_USE}

    def get(self, request: ApiRequest, job_id: str) -> HttpResponse:
        limit = _limit(request)
        job = find_job(request.principal, job_id)
        return json_response([run_map(record) for record in job.runs.newest_first()[:limit]])


@schema.describe_run
class CronRunNowView(GatewayView):
    capabilities: ClassVar = {"POST": capabilities.CHAT_USE}

    def post(self, request: ApiRequest, job_id: str) -> HttpResponse:
        job = find_job(request.principal, job_id)
        return json_response(run_map(run_now(job.pk)), status=202)


def _limit(request: ApiRequest) -> int:
    text = request.GET.get("limit", str(RUNS_DEFAULT))
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) > 0):
        raise OutOfRange("limit must be a positive integer", field="limit")
    return min(int(text), RUNS_MAX)
