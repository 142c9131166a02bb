"""`/api/v1/runs`: start, list, read and cancel runs. The stream has its own file."""

from typing import ClassVar

from django.http import HttpResponse

from accounts import capabilities
from runs.api import words
from runs.api.items import detail_item, summary_item
from runs.api.requests import (
    read_events_paging,
    read_filter,
    read_idempotency,
    read_list_paging,
    read_start,
)
from runs.api.schema import describe_cancel, describe_detail, describe_events, describe_runs
from runs.api.verdicts import verdict_on
from runs.log.events import to_json
from runs.log.read import read_events
from runs.services.lifecycle import cancel_run
from runs.services.listing import find_run, list_runs
from runs.services.starting import start_run
from runs.surface import ApiRequest, SurfaceView, json_bytes_response, json_response


@describe_runs
class RunsView(SurfaceView):
    capabilities: ClassVar = {"GET": capabilities.RUNS_READ, "POST": capabilities.RUNS_START}

    def get(self, request: ApiRequest) -> HttpResponse:
        wanted, paging = read_filter(request), read_list_paging(request)
        page = list_runs(request.principal, wanted, limit=paging.limit, offset=paging.offset)
        return json_response(
            {
                "runs": [summary_item(run) for run in page.runs],
                "total": page.total,
                "limit": paging.limit,
                "offset": paging.offset,
            }
        )

    def post(self, request: ApiRequest) -> HttpResponse:
        wanted, body = read_start(request)
        caller = request.principal
        started = start_run(
            wanted,
            actor=caller.actor,
            user_id=caller.user_id,
            granted=caller.capabilities,
            api_key_id=caller.api_key_id,
            idempotency=read_idempotency(request, actor=caller.actor, body=body),
        )
        headers = {"Location": f"{request.path}/{started.run_id}"}
        if started.is_replay:
            headers["Idempotency-Replayed"] = "true"
        answer = {"run_id": started.run_id, "daemon_status": words.QUEUED}
        return json_response(answer, status=202, headers=headers)


@describe_detail
class RunView(SurfaceView):
    capabilities: ClassVar = {"GET": capabilities.RUNS_READ}

    def get(self, request: ApiRequest, run_id: str) -> HttpResponse:
        run = find_run(request.principal, run_id)
        verdict = verdict_on(run, however_long=request.GET.get("validate") == "1")
        return json_response(detail_item(run, verdict))


@describe_events
class EventsView(SurfaceView):
    capabilities: ClassVar = {"GET": capabilities.RUNS_READ}

    def get(self, request: ApiRequest, run_id: str) -> HttpResponse:
        paging = read_events_paging(request)
        run = find_run(request.principal, run_id)
        # Seqs are gapless from 1, so skipping `offset` events is starting after that seq.
        events = read_events(run_id, after=paging.offset, limit=paging.limit)
        # Each event is serialised already, as its stream frame has it.
        return json_bytes_response(
            b'{"run_id":%b,"events":[%b],"total":%d,"limit":%d,"offset":%d}'
            % (
                to_json(run_id),
                b",".join([event.json for event in events]),
                max(run.head_seq, events[-1].seq if events else 0),
                paging.limit,
                paging.offset,
            )
        )


@describe_cancel
class CancelView(SurfaceView):
    capabilities: ClassVar = {"POST": capabilities.RUNS_CANCEL}

    def post(self, request: ApiRequest, run_id: str) -> HttpResponse:
        find_run(request.principal, run_id)
        cancel_run(run_id=run_id, actor=request.principal.actor)
        # The terminal event is in the log already, also when the run was executing.
        return json_response({"run_id": run_id, "daemon_status": words.CANCELLED}, status=202)
