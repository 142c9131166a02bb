"""Records of what a job's times came to: made, let pass, and found again from their runs."""

from django.db import transaction

from chat.cron.clock import clock
from chat.models import CronJob, CronRun, Exchange

#: Idempotency scope of the exchanges that records become; the key is the record's id.
SCOPE = "cron run"
#: Records of one job that wait at most; a time that comes then is let pass.
MOST_WAITING = 100
#: Ended records that a job keeps.
KEPT = 200
_AT_ONCE = 100

BUSY = "Let pass: the run before it was still under way"
FULL = f"Let pass: {MOST_WAITING} runs before it were still waiting"
MISSED = "Let pass: nothing ran at that time"
DISABLED = "Let pass: the job was disabled"


def take(job: CronJob, due_at: int, attempt: int, now: int) -> None:
    """Make the record of a time, unless the job's overlap policy lets it pass.

    The caller holds the job's lock.
    """
    open_records = job.runs.open()
    is_one_shot = job.schedule["kind"] == "one_shot"  # there is no other time for it
    if job.overlap == CronJob.Overlap.SKIP and not is_one_shot and open_records.exists():
        let_pass(job, due_at, now, BUSY, attempt)
    elif open_records.filter(status=CronRun.Status.PENDING).count() >= MOST_WAITING:
        let_pass(job, due_at, now, FULL, attempt)
    else:
        CronRun.objects.get_or_create(job=job, due_at=due_at, attempt=attempt)


def let_pass(job: CronJob, due_at: int, now: int, reason: str, attempt: int = 0) -> None:
    """Put on record that nothing was run for a time. Times in a row share a record: from `due_at`
    to `completed_at`. The caller holds the job's lock."""
    newest = job.runs.newest_first().first()
    if newest is None or (newest.status, newest.result_summary) != (CronRun.Status.SKIPPED, reason):
        newest, _ = CronRun.objects.get_or_create(
            job=job,
            due_at=due_at,
            attempt=attempt,
            defaults={"status": CronRun.Status.SKIPPED, "result_summary": reason},
        )
    if newest.status == CronRun.Status.SKIPPED:
        newest.completed_at = now
        newest.save(update_fields=["completed_at"])


def pass_over(job: CronJob, record: CronRun, now: int, reason: str) -> None:
    """Let a record pass after all. What was started by hand is looked for under its own id."""
    if record.attempt >= 0:
        record.delete()
        let_pass(job, record.due_at, now, reason, record.attempt)
        return
    record.status, record.result_summary = CronRun.Status.SKIPPED, reason
    record.completed_at = now
    record.save(update_fields=["status", "result_summary", "completed_at"])


def drop_waiting(job: CronJob, now: int) -> None:
    """Nothing more comes of times that wait; what somebody started by hand does begin."""
    job.runs.filter(status=CronRun.Status.PENDING, attempt__gte=0).update(
        status=CronRun.Status.SKIPPED, completed_at=now, result_summary=DISABLED
    )


def finish_job(job: CronJob, *, has_run: bool = True) -> None:
    """Once nothing is left to come of a job, it is disabled, or deleted if it `has_run` and wants
    that. The caller holds the job's lock.
    """
    is_over = job.enabled and job.next_run_at is None and job.retry_at is None
    if not is_over or job.runs.open().exists():
        return
    if job.delete_after_run and has_run:
        job.delete()
        return
    job.enabled = False
    job.save(update_fields=["enabled"])


def forget_old(job: CronJob) -> None:
    ended = job.runs.exclude(status__in=[CronRun.Status.PENDING, CronRun.Status.RUNNING])
    old = list(ended.newest_first().values_list("pk", flat=True)[KEPT : KEPT + _AT_ONCE])
    if old:
        CronRun.objects.filter(pk__in=old).delete()


def exchange_of(record: CronRun) -> Exchange | None:
    """What became of the prompt; None when its session is gone."""
    return Exchange.objects.under_key(SCOPE, record.pk)


def record_ids_of(run_id: str) -> list[str]:
    exchanges = Exchange.objects.filter(run_id=run_id, idempotency_scope=SCOPE)
    return list(exchanges.values_list("idempotency_key", flat=True))


def wake_on_commit() -> None:
    """Something may be next that was not before."""
    transaction.on_commit(clock.wake)
