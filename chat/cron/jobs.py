"""Making, changing and removing jobs. Whatever moves a job's times recomputes the next one."""

import time
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, models, transaction

from accounts.models import User
from accounts.principals import Principal
from chat.cron import assistant
from chat.cron.definitions import HEARTBEAT, JobChanges, NewJob
from chat.cron.records import drop_waiting, wake_on_commit
from chat.cron.schedules import (
    Schedule,
    check_schedule,
    first_time,
    read_schedule,
    stored_schedule,
)
from chat.cron.zones import current_zone
from chat.errors import CronJobNameTaken, CronJobNotFound, CronJobReserved, NotYourJob, OutOfRange
from chat.live_settings import current
from chat.live_settings.groups import Cron
from chat.models import CronJob
from chat.models.sessions import sees_all_sessions
from project.lib.db import write_transaction
from runs.log.redaction import redact_text
from runs.storable import NUL


@dataclass(frozen=True, slots=True)
class Maker:
    """Who makes a job, and whose it will be. Its runs may do no more than `granted`."""

    actor: str
    owner: str  # a user; empty: the assistant
    granted: frozenset[str] | None
    api_key_id: str = ""


def maker_of(caller: Principal, wanted_owner: str | None = None) -> Maker:
    """For the caller itself, or for whom it names. Raises `NotYourJob` or `OutOfRange`."""
    if not sees_all_sessions(caller):
        if caller.user_id is None:
            raise NotYourJob("jobs belong to users, and no user stands behind this credential")
        if wanted_owner not in (None, caller.user_id):
            raise NotYourJob("Cannot create a job for another user")
    owner = (caller.user_id or "") if wanted_owner is None else wanted_owner
    if owner and not User.objects.filter(pk=owner, is_active=True).exists():
        raise OutOfRange("user_id: there is no such user", field="user_id")
    return Maker(caller.actor, owner, caller.capabilities, caller.api_key_id or "")


def create_job(maker: Maker, wanted: NewJob, *, now: int | None = None, pk: str = "") -> CronJob:
    """Raises `CronJobNameTaken`, `CronJobReserved`, `OutOfRange` or `InvalidBody`.

    With `pk`, a job of that id is made once: who asks again gets the one there is.
    """
    now = int(time.time()) if now is None else now
    settings = current(Cron)
    _check_texts(wanted)
    schedule = read_schedule(wanted.schedule)
    job = CronJob(
        owner=maker.owner,
        schedule=schedule.model_dump(),
        max_retries=settings.default_max_retries,
        timeout_secs=settings.default_timeout_secs,
        created_at=now,
        created_by=maker.actor,
        granted=None if maker.granted is None else sorted(maker.granted),
        api_key_id=maker.api_key_id,
    )
    if pk:
        job.pk = pk
    _assign(job, wanted)
    _begin_anew(job, schedule, now)
    with write_transaction():
        if pk and (made := CronJob.objects.filter(pk=pk).first()) is not None:
            return made
        _save(job, force_insert=True)
    return job


def update_job(
    job_id: str, changes: JobChanges, *, by: Maker | None = None, now: int | None = None
) -> CronJob:
    """Raises `CronJobNotFound` and what `create_job` raises; then nothing has changed.

    `by` changes the prompt within what it may do itself: see `_narrow`.
    """
    now = int(time.time()) if now is None else now
    _check_texts(changes)
    with write_transaction():
        job = lock_job(job_id)
        _refuse_heartbeat(job)
        was_enabled = job.enabled
        if by is not None and changes.prompt is not None:
            _narrow(job, by)
        _assign(job, changes)
        schedule = stored_schedule(job.schedule)
        if changes.schedule is not None:
            schedule = read_schedule(changes.schedule)
            job.schedule = schedule.model_dump()
        if changes.schedule is not None or job.enabled != was_enabled:
            _begin_anew(job, schedule, now)
        if was_enabled and not job.enabled:
            drop_waiting(job, now)
        _save(job)
    return job


def delete_job(job_id: str) -> None:
    """With its records. A run that is under way goes on, like any run."""
    with write_transaction():
        job = lock_job(job_id)
        _refuse_heartbeat(job)
        job.delete()


def find_job(caller: Principal, job_id: str) -> CronJob:
    """Raises `CronJobNotFound` for one that is not there, or not for this caller to see."""
    # PostgreSQL takes no NUL, and no id has one.
    visible = CronJob.objects.visible_to(caller)
    job = None if NUL in job_id else visible.filter(pk=job_id).first()
    if job is None:
        raise CronJobNotFound
    return job


def lock_job(job_id: str) -> CronJob:
    """Until the transaction ends. Everybody locks a job before its records and sessions."""
    locked: models.QuerySet[CronJob] = CronJob.objects.select_for_update()
    job = locked.filter(pk=job_id).first()
    if job is None:
        raise CronJobNotFound
    return job


def _begin_anew(job: CronJob, schedule: Schedule, now: int) -> None:
    """Its times are others from now on, and what failed before is over with."""
    job.retry_count, job.retry_at = 0, None
    zone = current_zone()
    # Whoever disables a job whose only time is past need not change that.
    if job.enabled or job._state.adding:
        check_schedule(schedule, now=now, zone=zone)
    job.next_run_at = first_time(schedule, now=now, zone=zone) if job.enabled else None
    job.zone = zone.key


def _narrow(job: CronJob, by: Maker) -> None:
    """Whoever writes the prompt says what is done: no more than the job, and they, may do.

    Without this a limited key would borrow what the key that made the job was allowed, and the
    money that one may spend.
    """
    if by.granted is not None:
        known = job.granted if job.granted is not None or job.owner else assistant.MAY
        job.granted = sorted(by.granted if known is None else by.granted & set(known))
    if by.owner == job.owner and by.api_key_id:
        job.api_key_id = by.api_key_id


def _assign(job: CronJob, changes: JobChanges) -> None:
    for name, value in changes.given().items():
        setattr(job, name, redact_text(value) if name == "prompt" else value)


def _check_texts(changes: JobChanges) -> None:
    if changes.name == HEARTBEAT:
        raise CronJobReserved(f"the name {HEARTBEAT} is reserved")
    for name in ("name", "prompt"):
        if NUL in (getattr(changes, name) or ""):
            raise OutOfRange(f"{name} must not contain NUL characters", field=name)


def _refuse_heartbeat(job: CronJob) -> None:
    if job.name == HEARTBEAT:
        raise CronJobReserved(
            "the heartbeat is changed through HEARTBEAT.md and the interval in the cron settings"
        )


def _save(job: CronJob, **options: Any) -> None:
    try:
        with transaction.atomic():
            job.save(**options)
    except IntegrityError:  # cron_job_name_once
        raise CronJobNameTaken(f"there is a job named '{job.name}' already") from None
    wake_on_commit()
