"""Jobs and records as clients and tools see them."""

from typing import Any

from chat.models import CronJob, CronRun


def job_map(job: CronJob) -> dict[str, Any]:
    """A job on the wire. Times are Unix seconds."""
    return {
        "id": job.pk,
        "name": job.name,
        "prompt": job.prompt,
        "schedule": job.schedule,
        "enabled": job.enabled,
        "delete_after_run": job.delete_after_run,
        "created_at": job.created_at,
        "last_run_at": job.last_run_at,
        "next_run_at": job.next_run_at,
        "retry_count": job.retry_count,
        "max_retries": job.max_retries,
        "last_error": job.last_error or None,
        "retry_at": job.retry_at,
        "timeout_secs": job.timeout_secs,
        "session_mode": job.session_mode,
        "overlap": job.overlap,
        "catches_up": job.catches_up,
        "user_id": job.owner or None,
    }


def run_map(record: CronRun) -> dict[str, Any]:
    """What became of a time, on the wire."""
    return {
        "id": record.pk,
        "job_id": record.job_id,
        "due_at": record.due_at,
        "attempt": record.attempt,
        "started_at": record.started_at,
        "completed_at": record.completed_at,
        "status": record.status,
        "result_summary": record.result_summary or None,
        "session_id": record.session_id or None,
        "run_id": record.run_id or None,
    }
