"""From a record to a run: the prompt is a message to a session, sent on behalf of the job's owner.

A record begins, its message is stored and its run is queued in one transaction: a scheduler that is
killed leaves all of it or a record that still waits.
"""

import logging

from django.db import connection, models

from accounts.capabilities import CHAT_USE
from accounts.models import User
from accounts.principals import Principal, user_principal
from chat.cron import assistant
from chat.cron.definitions import HEARTBEAT
from chat.cron.jobs import lock_job
from chat.cron.records import SCOPE, exchange_of, finish_job, pass_over
from chat.cron.settling import settle_as_failed, settle_as_success
from chat.errors import ChatError, CronJobNotFound
from chat.live_settings import current
from chat.live_settings.groups import Cron
from chat.memory.documents import SHARED, read_document
from chat.models import CronJob, CronRun
from chat.services.posting import Incoming, post_message
from chat.services.sessions import Address
from project.lib.db import write_transaction
from runs.errors import QueueFull, RunsError, ShuttingDown
from runs.models import Run
from runs.services.starting import Idempotency

logger = logging.getLogger(__name__)

MAY_NOT = "Let pass: its owner may not use the chat"
NOTHING_TO_DO = "skipped"  # as Starpod's clients know it

# Of PostgreSQL's advisory locks: whoever counts the slots, and takes one, does so alone.
_SLOTS = 0x63726F6E


def launch_pending(now: int) -> None:
    """Begin what waits and may begin, oldest first, as far as there are slots."""
    waiting = CronRun.objects.filter(status=CronRun.Status.PENDING)
    # Of one second, those of the job that was made first.
    ordered = waiting.order_by("due_at", "attempt", "job__created_at", "job__name")
    rows = list(ordered.values_list("pk", "job_id", "job__overlap"))
    if not rows or not _has_slot():
        return
    busy = set(CronRun.objects.running().values_list("job_id", flat=True))
    for record_id, job_id, overlap in rows:
        if overlap != CronJob.Overlap.PARALLEL:
            if job_id in busy:
                continue
            busy.add(job_id)
        try:
            if not launch(record_id, now):
                return
        except (QueueFull, ShuttingDown) as error:
            logger.warning("cron jobs wait", extra={"reason": str(error)})
            return


def launch(record_id: str, now: int) -> bool:
    """Begin a record, unless it has begun, or its job is not that far. False: there is no slot.

    Raises `QueueFull` or `ShuttingDown`; then it still waits.
    """
    job_id = CronRun.objects.filter(pk=record_id).values_list("job_id", flat=True).first()
    with write_transaction():
        _one_after_the_other()
        try:
            job = lock_job(job_id or "")
        except CronJobNotFound:
            return True
        record = CronRun.objects.filter(pk=record_id, status=CronRun.Status.PENDING).first()
        if record is None or not _is_next(job, record):
            return True
        if not _has_slot():
            return False
        _begin(job, record, now)
    return True


def _is_next(job: CronJob, record: CronRun) -> bool:
    """Runs of a job that do not overlap come one after the other, retries included."""
    if job.overlap == CronJob.Overlap.PARALLEL:
        return True
    if job.runs.running().exists():
        return False
    is_before = models.Q(due_at__lt=record.due_at)
    is_before |= models.Q(due_at=record.due_at, attempt__lt=record.attempt)
    if job.runs.open().filter(is_before).exists():
        return False
    waits_for_retry = job.overlap == CronJob.Overlap.QUEUE and record.attempt == 0
    return not (waits_for_retry and job.retry_at is not None)


def _has_slot() -> bool:
    """Runs that wait for a person hold none: they may do so for days."""
    running = CronRun.objects.running()
    idle = Run.objects.filter(
        pk__in=running.values("run_id"), status__in=[Run.Status.AWAITING_INPUT, Run.Status.PAUSED]
    )
    return running.count() - idle.count() < current(Cron).max_concurrent_runs


def _begin(job: CronJob, record: CronRun, now: int) -> None:
    """The caller holds the job's lock and has seen to a slot."""
    prompt = _prompt_of(job)
    caller = _principal_of(job)
    if caller is None:
        pass_over(job, record, now, MAY_NOT)
        finish_job(job, has_run=False)
        return
    _note_begun(job, record, now)
    if not prompt.strip():
        settle_as_success(job, record, NOTHING_TO_DO, now, is_told=False)
        return
    try:
        posted = post_message(
            _address(job, record),
            Incoming(prompt, trigger_source="cron", triggered_by=job.name),
            caller=caller,
            idempotency=Idempotency(SCOPE, record.pk, {"job": job.pk}),
        )
    except (QueueFull, ShuttingDown):
        raise
    except (RunsError, ChatError) as error:
        settle_as_failed(job, record, str(error), now)
        return
    record.session_id = posted.session_id
    exchange = exchange_of(record)
    record.run_id = exchange.run_id if exchange is not None else ""
    record.save(update_fields=["session_id", "run_id"])


def _note_begun(job: CronJob, record: CronRun, now: int) -> None:
    record.status, record.started_at = CronRun.Status.RUNNING, now
    record.save(update_fields=["status", "started_at"])
    job.last_run_at = now
    if record.attempt == 0:
        # What failed at an earlier time is past: this one has all its retries before it.
        job.retry_count, job.retry_at = 0, None
    job.save(update_fields=["last_run_at", "retry_count", "retry_at"])


def _prompt_of(job: CronJob) -> str:
    return read_document(SHARED, "HEARTBEAT.md") if job.name == HEARTBEAT else job.prompt


def _principal_of(job: CronJob) -> Principal | None:
    """On whose behalf the job runs: no more than its maker was allowed, or its owner is now."""
    if not job.owner:
        granted = None if job.granted is None else frozenset(job.granted)
        return assistant.assistant_principal(_session_owner(job), granted)
    user = User.objects.filter(pk=job.owner, is_active=True).first()
    if user is None:
        return None
    principal = user_principal(
        user_id=user.pk,
        role=user.role,
        provider="cron",
        api_key_id=job.api_key_id or None,
        limited_to=job.granted,
    )
    return principal if principal.can(CHAT_USE) else None


def _address(job: CronJob, record: CronRun) -> Address:
    is_shared = job.session_mode == CronJob.SessionMode.MAIN
    return Address(_session_owner(job), "main", assistant.MAIN if is_shared else record.pk)


def _session_owner(job: CronJob) -> str:
    return assistant.HEARTBEAT if job.name == HEARTBEAT else job.owner or assistant.CRON


def _one_after_the_other() -> None:
    """Until the transaction ends. On SQLite the transaction itself sees to it."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_SLOTS])
