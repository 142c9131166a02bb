"""From a run to its record: what came of it, who is told, and whether it is tried again."""

import logging
from contextlib import suppress
from dataclasses import dataclass

from django.db import models

from chat.cron.jobs import lock_job
from chat.cron.records import (
    exchange_of,
    finish_job,
    forget_old,
    record_ids_of,
    wake_on_commit,
)
from chat.errors import CronJobNotFound
from chat.models import CronJob, CronRun, Exchange, Session
from chat.notifications import PREVIEW_BYTES, Notification, announce
from chat.services import turns
from chat.services.transcripts import cut, mirror_run
from project.lib.db import write_transaction
from runs.errors import RunAlreadyFinished, RunNotFound
from runs.event_types import InputReceived, InputRequested
from runs.log.read import read_heads
from runs.models import Event, Run
from runs.services.lifecycle import cancel_run

logger = logging.getLogger(__name__)

#: Seconds until the first, second, … retry; the last is for all that follow.
BACKOFF = (30, 60, 300, 900, 3600)
SUMMARY_BYTES = 2_000

TIMED_OUT = "Timed out"
CANCELLED = "Cancelled"
GONE = "Its run was deleted"
WAITS = "Waits for an answer: "


def run_has_ended(run_id: str, now: int) -> None:
    """Settle the record of a run, if it has one."""
    for record_id in record_ids_of(run_id):
        settle(record_id, now)


def settle(record_id: str, now: int) -> None:
    """Close a record whose run is through with it; else note what there is to know of it."""
    record = CronRun.objects.running().filter(pk=record_id).first()
    if record is None or _news_of(record) is None:
        return  # nothing to write, so nobody is kept from writing
    with write_transaction():
        try:
            job = lock_job(record.job_id or "")
        except CronJobNotFound:
            return
        record = CronRun.objects.running().filter(pk=record_id).first()
        news = None if record is None else _news_of(record)
        if record is None or news is None:
            return  # another process was first
        record.run_id = news.run_id or record.run_id
        match news.status:
            case CronRun.Status.SUCCESS:
                _complete_transcript(record)
                settle_as_success(job, record, news.text, now)
            case CronRun.Status.FAILED:
                settle_as_failed(job, record, news.text, now, is_final=news.is_final)
            case _:
                _note(job, record, news.text)


@dataclass(frozen=True, slots=True)
class _News:
    """What a record does not say yet. `RUNNING`: it has begun by now, or asks something."""

    status: CronRun.Status
    text: str
    run_id: str = ""
    is_final: bool = False


def _news_of(record: CronRun) -> _News | None:
    """Reads only."""
    failed, running = CronRun.Status.FAILED, CronRun.Status.RUNNING
    exchange = exchange_of(record)
    if exchange is None:
        return _News(failed, GONE)
    if exchange.status == Exchange.Status.REFUSED:
        return _News(failed, exchange.error)
    if not exchange.run_id:
        return None  # it waits for what was said before it
    run = Run.objects.filter(pk=exchange.run_id).first()
    if run is None:
        return _News(failed, GONE, exchange.run_id)
    match run.status:
        case Run.Status.DONE:
            return _News(CronRun.Status.SUCCESS, run.final_text, run.pk)
        case Run.Status.CANCELLED if record.result_summary == TIMED_OUT:
            return _News(failed, TIMED_OUT, run.pk)
        case Run.Status.CANCELLED:
            return _News(failed, CANCELLED, run.pk, is_final=True)
        case Run.Status.FAILED | Run.Status.ERROR:
            return _News(failed, run.error, run.pk)
    asked = _question_of(run) if run.status == Run.Status.AWAITING_INPUT else record.result_summary
    if (record.run_id, record.result_summary) == (run.pk, asked):
        return None
    return _News(running, asked, run.pk)


def settle_as_success(
    job: CronJob, record: CronRun, text: str, now: int, *, is_told: bool = True
) -> None:
    """The caller holds the job's lock."""
    _close(record, CronRun.Status.SUCCESS, text, now)
    if record.attempt >= 0:
        job.retry_count, job.retry_at, job.last_error = 0, None, ""
        job.save(update_fields=["retry_count", "retry_at", "last_error"])
    if is_told:
        _tell(job, record, text, success=True)
    _go_on(job)


def settle_as_failed(
    job: CronJob, record: CronRun, error: str, now: int, *, is_final: bool = False
) -> None:
    """Try again later, unless it `is_final`, started by hand, or was the last retry.

    The caller holds the job's lock.
    """
    _close(record, CronRun.Status.FAILED, error, now)
    if record.attempt >= 0:
        job.last_error = record.result_summary
        job.retry_at = None
        if job.enabled and not is_final and record.attempt < job.max_retries:
            job.retry_count = record.attempt + 1
            job.retry_at = now + BACKOFF[min(record.attempt, len(BACKOFF) - 1)]
        job.save(update_fields=["last_error", "retry_count", "retry_at"])
    logger.info("a cron run failed", extra={"job": job.pk, "record": record.pk})
    _tell(job, record, error, success=False)
    _go_on(job)


def stop_overdue(record_id: str, now: int) -> None:
    """Cancel what has taken longer than its job allows. A person's time to answer does not count.

    The record says why before the run ends: whoever settles it then knows.
    """
    record = CronRun.objects.select_related("job").filter(pk=record_id).first()
    if record is None or record.job is None or not is_overdue(record, now):
        return
    exchange = exchange_of(record)
    if exchange is None:
        return
    CronRun.objects.running().filter(pk=record_id).update(result_summary=TIMED_OUT)
    if exchange.run_id:
        with suppress(RunAlreadyFinished, RunNotFound):  # it is settled as what it came to
            cancel_run(run_id=exchange.run_id, actor="cron")
    else:
        turns.withdraw(exchange.pk, TIMED_OUT)
    settle(record_id, now)


def is_overdue(record: CronRun, now: int) -> bool:
    if record.job is None or record.started_at is None:
        return False
    timeout = record.job.timeout_secs
    if now < record.started_at + timeout:
        return False
    if Run.objects.filter(pk=record.run_id, status=Run.Status.AWAITING_INPUT).exists():
        return False
    answers = Event.objects.filter(run_id=record.run_id, kind=InputReceived.kind)
    answered_ns = answers.order_by("-seq").values_list("ts", flat=True).first() or 0
    return now >= answered_ns // 1_000_000_000 + timeout


def _close(record: CronRun, status: CronRun.Status, summary: str, now: int) -> None:
    record.status, record.completed_at = status, now
    record.result_summary = cut(summary, SUMMARY_BYTES)
    record.save(update_fields=["status", "completed_at", "result_summary", "run_id"])


def _go_on(job: CronJob) -> None:
    forget_old(job)
    finish_job(job)
    wake_on_commit()


def _question_of(run: Run) -> str:
    event = read_heads([run.pk]).get(run.pk)
    asked = event.typed() if event is not None and event.payload is not None else None
    prompt = asked.prompt if isinstance(asked, InputRequested) else ""
    return cut(WAITS + prompt, SUMMARY_BYTES)


def _note(job: CronJob, record: CronRun, text: str) -> None:
    """Tell of a question, once: the record remembers it."""
    is_question = record.result_summary != text
    record.result_summary = text
    record.save(update_fields=["run_id", "result_summary"])
    if is_question:
        _tell(job, record, text, success=True)


def _complete_transcript(record: CronRun) -> None:
    """Where somebody answered in the inbox, no exchange has told the session of the rest."""
    locked: models.QuerySet[Session] = Session.objects.select_for_update()
    session = locked.filter(pk=record.session_id).first()
    if session is not None:
        mirror_run(session, record.run_id)


def _tell(job: CronJob, record: CronRun, text: str, *, success: bool) -> None:
    if record.session_id:
        Session.objects.filter(pk=record.session_id).update(is_read=False)
    announce(
        Notification(
            owner=job.owner,
            job_name=job.name,
            session_id=record.session_id if success else "",
            result_preview=cut(text, PREVIEW_BYTES),
            success=success,
        )
    )
