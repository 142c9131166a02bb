"""Cron jobs as tools. They act for the run's user alone, whoever that is; the assistant's own runs
act for its own jobs."""

import uuid
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field, ValidationError

from accounts.capabilities import CHAT_USE, SETTINGS_MANAGE
from accounts.principals import ANONYMOUS_ACTOR
from chat.cron import assistant, definitions
from chat.cron.definitions import HEARTBEAT, JobChanges, NewJob
from chat.cron.firing import run_now
from chat.cron.jobs import Maker, create_job, delete_job, update_job
from chat.cron.maps import job_map, run_map
from chat.cron.schedules import CronExpression, Interval, OneShot
from chat.errors import ChatError
from chat.models import CronJob, Exchange
from project.lib.pool import in_database_thread
from runs.tools.base import ToolContext, ToolError
from runs.tools.recorded import recorded
from runs.tools.typed import tool

RUNS_SHOWN = 20
#: Makes a job's id from a call's key: a call that is issued again finds the job it made.
_CALLS = uuid.UUID("6f0c4f0e-6b1c-4d0b-9c55-2b6f3c9d7a41")

# Without the discriminator that errors over HTTP need: not every provider can read it.
AnySchedule = Interval | CronExpression | OneShot
JobName = Annotated[str, Field(min_length=1, max_length=200, description="The name of the job")]


@tool(side_effects="write", permissions=(CHAT_USE,), timeout_seconds=30)
async def cron_add(
    name: definitions.Name,
    prompt: definitions.Prompt,
    schedule: AnySchedule,
    context: ToolContext,
    delete_after_run: definitions.DeleteAfterRun = False,
    session_mode: definitions.SessionMode = "isolated",
    overlap: definitions.Overlap = "skip",
    catches_up: definitions.CatchesUp = True,
    max_retries: definitions.MaxRetries | None = None,
    timeout_secs: definitions.TimeoutSecs | None = None,
) -> dict[str, Any]:
    """Make a cron job: a prompt that is run at the times of a schedule."""

    def add() -> dict[str, Any]:
        wanted = NewJob(
            name=name,
            prompt=prompt,
            schedule=schedule.model_dump(),
            delete_after_run=delete_after_run,
            session_mode=session_mode,
            overlap=overlap,
            catches_up=catches_up,
            max_retries=max_retries,
            timeout_secs=timeout_secs,
        )
        pk = str(uuid.uuid5(_CALLS, context.idempotency_key))
        return job_map(create_job(_maker(context), wanted, pk=pk))

    return await _done(context, "cron_add", add)


# Idempotent: changed again in the same way, a job is the same.
@tool(side_effects="write", permissions=(CHAT_USE,), timeout_seconds=30)
async def cron_update(
    name: JobName,
    context: ToolContext,
    prompt: definitions.Prompt | None = None,
    schedule: AnySchedule | None = None,
    enabled: definitions.Enabled | None = None,
    delete_after_run: definitions.DeleteAfterRun | None = None,
    session_mode: definitions.SessionMode | None = None,
    overlap: definitions.Overlap | None = None,
    catches_up: definitions.CatchesUp | None = None,
    max_retries: definitions.MaxRetries | None = None,
    timeout_secs: definitions.TimeoutSecs | None = None,
) -> dict[str, Any]:
    """Change a cron job. What is not given stays as it is."""

    def change() -> dict[str, Any]:
        changes = JobChanges(
            prompt=prompt,
            schedule=None if schedule is None else schedule.model_dump(),
            enabled=enabled,
            delete_after_run=delete_after_run,
            session_mode=session_mode,
            overlap=overlap,
            catches_up=catches_up,
            max_retries=max_retries,
            timeout_secs=timeout_secs,
        )
        return job_map(update_job(_find(context, name).pk, changes, by=_maker(context)))

    return await _done(context, "cron_update", change)


@tool(side_effects="read", permissions=(CHAT_USE,), timeout_seconds=30)
async def cron_list(context: ToolContext) -> dict[str, Any]:
    """List the cron jobs of the user, with their next times in Unix seconds."""

    def look() -> dict[str, Any]:
        jobs = CronJob.objects.filter(owner=_owner(context)).order_by("name")
        return {"jobs": [job_map(job) for job in jobs]}

    return await _done(context, "cron_list", look)


@tool(side_effects="write", permissions=(CHAT_USE,), timeout_seconds=30, idempotent=False)
async def cron_remove(name: JobName, context: ToolContext) -> dict[str, Any]:
    """Delete a cron job and the records of its runs."""

    def remove() -> dict[str, Any]:
        delete_job(_find(context, name).pk)
        return {"removed": name}

    return await _done(context, "cron_remove", remove)


@tool(side_effects="write", permissions=(CHAT_USE,), timeout_seconds=30, idempotent=False)
async def cron_run(name: JobName, context: ToolContext) -> dict[str, Any]:
    """Run a cron job now, in the background. It does not wait for the result."""

    def start() -> dict[str, Any]:
        return run_map(run_now(_find(context, name).pk))

    return await _done(context, "cron_run", start)


@tool(side_effects="read", permissions=(CHAT_USE,), timeout_seconds=30)
async def cron_runs(name: JobName, context: ToolContext) -> dict[str, Any]:
    """What the last runs of a cron job came to, the newest first."""

    def look() -> dict[str, Any]:
        records = _find(context, name).runs.newest_first()[:RUNS_SHOWN]
        return {"runs": [run_map(record) for record in records]}

    return await _done(context, "cron_runs", look)


@tool(side_effects="write", permissions=(CHAT_USE,), timeout_seconds=30, idempotent=False)
async def heartbeat_wake(context: ToolContext) -> dict[str, Any]:
    """Run the assistant's heartbeat now, instead of at its next time."""

    def wake() -> dict[str, Any]:
        if _owner(context) and SETTINGS_MANAGE not in context.capabilities:
            raise ToolError("the heartbeat is the assistant's own: administrators may wake it")
        job = CronJob.objects.filter(owner="", name=HEARTBEAT, enabled=True).first()
        if job is None:
            raise ToolError("there is no heartbeat: HEARTBEAT.md is empty, or it is switched off")
        return run_map(run_now(job.pk))

    return await _done(context, "heartbeat_wake", wake)


TOOLS = (cron_add, cron_list, cron_remove, cron_run, cron_runs, cron_update, heartbeat_wake)


async def _done(
    context: ToolContext, name: str, work: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """The result of database work, recorded; a refusal is for the model to read."""

    async def effect() -> dict[str, Any]:
        try:
            return await in_database_thread(work)
        except ValidationError as error:
            raise ToolError(error.errors()[0]["msg"]) from error
        except ChatError as error:
            raise ToolError(str(error)) from error

    result: dict[str, Any] = await recorded(context, name, effect)
    return result


def _owner(context: ToolContext) -> str:
    """Whose jobs these are: a user's; in its own runs, and on a fresh install, the assistant's."""
    if context.user_id is not None:
        return context.user_id
    if context.actor in assistant.ALL or context.actor == ANONYMOUS_ACTOR:
        return ""
    raise ToolError("jobs belong to users, and no user stands behind this run")


def _maker(context: ToolContext) -> Maker:
    exchange = Exchange.objects.filter(run_id=context.run_id).first()
    key = exchange.api_key_id if exchange is not None else ""
    return Maker(context.actor, _owner(context), context.capabilities, key)


def _find(context: ToolContext, name: str) -> CronJob:
    job = CronJob.objects.filter(owner=_owner(context), name=name).first()
    if job is None:
        raise ToolError(f"there is no job named {name!r}")
    return job
