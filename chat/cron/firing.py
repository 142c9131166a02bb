"""The scheduler: takes what is due, looks after what is under way, begins what waits.

It may tick in any number of processes, any number of times at once. Each time of a job is taken
under the job's row lock, which moves its next time on, and `cron_run_once` would refuse a second
record of it.
"""

import logging
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from django.db.models import Min

from chat.cron import schedules
from chat.cron.heartbeat import follow_changes
from chat.cron.jobs import lock_job
from chat.cron.launching import launch, launch_pending
from chat.cron.records import MISSED, finish_job, let_pass, take, wake_on_commit
from chat.cron.settling import is_overdue, settle, stop_overdue
from chat.cron.zones import current_zone
from chat.errors import CronJobNotFound, CronJobUnderWay
from chat.models import CronJob, CronRun
from chat.models.cron import CronJobQuerySet
from project.lib.db import write_transaction
from runs.errors import QueueFull, ShuttingDown

logger = logging.getLogger(__name__)


def fire_due(*, now: int | None = None) -> datetime | None:
    """One tick; returns when the next time is due, of those that are known now."""
    now = int(time.time()) if now is None else now
    follow_changes(now)
    enabled = CronJob.objects.filter(enabled=True)
    due = enabled.filter(next_run_at__lte=now).order_by("next_run_at", "created_at", "name")
    _each(due.values_list("pk", flat=True), _take_due, now)
    retries = enabled.filter(retry_at__lte=now).order_by("retry_at")
    _each(retries.values_list("pk", flat=True), _take_retry, now)
    _each(CronRun.objects.running().values_list("pk", flat=True), _look_after, now)
    launch_pending(now)
    return _next_moment(enabled)


def run_now(job_id: str, *, now: int | None = None) -> CronRun:
    """Start a job by hand, whatever its schedule and whether it is enabled.

    It waits for a slot like any, and is not retried. Raises `CronJobNotFound`, or
    `CronJobUnderWay` where the job's runs do not overlap.
    """
    now = int(time.time()) if now is None else now
    with write_transaction():
        job = lock_job(job_id)
        if job.overlap == CronJob.Overlap.SKIP and job.runs.open().exists():
            raise CronJobUnderWay(f"a run of '{job.name}' is under way")
        lowest = job.runs.filter(due_at=now).aggregate(lowest=Min("attempt"))["lowest"] or 0
        record = CronRun.objects.create(job=job, due_at=now, attempt=min(lowest, 0) - 1)
        wake_on_commit()
    try:
        launch(record.pk, now)
    except (QueueFull, ShuttingDown) as error:
        logger.warning("a cron run waits", extra={"record": record.pk, "reason": str(error)})
    # What had nothing to do is done by now, and with a job that is deleted its records are.
    return CronRun.objects.filter(pk=record.pk).first() or record


def _take_due(job_id: str, now: int) -> None:
    with write_transaction():
        job = lock_job(job_id)
        due = job.next_run_at
        if not job.enabled or due is None or due > now:
            return  # another process was first
        zone = current_zone()
        plan = schedules.plan(
            schedules.stored_schedule(job.schedule),
            due=due,
            now=now,
            zone=zone,
            catches_up=job.catches_up,
        )
        is_last = job.delete_after_run and plan.fire_at is not None
        job.next_run_at, job.zone = None if is_last else plan.next_at, zone.key
        job.save(update_fields=["next_run_at", "zone"])
        if plan.fire_at is None:
            logger.warning("a cron job's time was missed", extra={"job": job.pk})
            let_pass(job, due, now, MISSED)
            finish_job(job, has_run=False)
        else:
            take(job, plan.fire_at, 0, now)


def _take_retry(job_id: str, now: int) -> None:
    """The record that failed last is tried again."""
    with write_transaction():
        job = lock_job(job_id)
        if not job.enabled or job.retry_at is None or job.retry_at > now:
            return
        job.retry_at = None
        job.save(update_fields=["retry_at"])
        failed = job.runs.filter(status=CronRun.Status.FAILED, attempt__gte=0)
        last = failed.order_by("-completed_at", "-due_at", "-attempt").first()
        if last is not None:
            take(job, last.due_at, last.attempt + 1, now)
        finish_job(job)


def _look_after(record_id: str, now: int) -> None:
    settle(record_id, now)
    record = CronRun.objects.running().select_related("job").filter(pk=record_id).first()
    if record is not None and is_overdue(record, now):
        stop_overdue(record_id, now)


def _next_moment(enabled: CronJobQuerySet) -> datetime | None:
    found = enabled.aggregate(due=Min("next_run_at"), retry=Min("retry_at"))
    moments = [moment for moment in found.values() if moment is not None]
    return datetime.fromtimestamp(min(moments), UTC) if moments else None


def _each(ids: Iterable[str], work: Callable[[str, int], None], now: int) -> None:
    for pk in list(ids):
        try:
            work(pk, now)
        except CronJobNotFound:
            continue  # it was deleted meanwhile
        except Exception:
            # A worker's loop: one job that cannot be served must not stop the others.
            logger.exception("a cron job could not be served", extra={"id": pk})
