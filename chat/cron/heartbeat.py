"""What follows from settings and documents: the heartbeat's job, and times in the right zone.

Both are looked at in every tick, so it makes no difference which process has changed what.
"""

from chat.cron.definitions import HEARTBEAT
from chat.cron.jobs import lock_job
from chat.cron.records import drop_waiting
from chat.cron.schedules import moved_time, stored_schedule
from chat.cron.zones import current_zone
from chat.errors import CronJobNotFound
from chat.live_settings import current
from chat.live_settings.groups import Cron
from chat.memory.documents import SHARED
from chat.models import CronJob, MemoryDocument
from project.lib.db import write_transaction

DOCUMENT = "HEARTBEAT.md"


def follow_changes(now: int) -> None:
    _follow_heartbeat(now)
    _follow_zone(now)


def _follow_heartbeat(now: int) -> None:
    """There is a heartbeat while it is switched on and its document says something."""
    settings = current(Cron)
    seconds = settings.heartbeat_interval_minutes * 60
    schedule = {"kind": "interval", "every_ms": seconds * 1000}
    documents = MemoryDocument.objects.filter(owner=SHARED, name=DOCUMENT)
    is_wanted = settings.heartbeat_enabled and documents.filter(content__regex=r"\S").exists()
    job = CronJob.objects.filter(owner="", name=HEARTBEAT).first()
    if job is None and not is_wanted:
        return
    if job is not None and (job.enabled, job.schedule) == (is_wanted, schedule):
        return
    with write_transaction():
        CronJob.objects.get_or_create(
            owner="",
            name=HEARTBEAT,
            defaults={
                "schedule": schedule,
                "enabled": False,
                "session_mode": CronJob.SessionMode.MAIN,
                "created_at": now,
                "created_by": HEARTBEAT,
            },
        )
        job = CronJob.objects.select_for_update().get(owner="", name=HEARTBEAT)
        if (job.enabled, job.schedule) == (is_wanted, schedule):
            return  # another process was first
        job.enabled, job.schedule = is_wanted, schedule
        job.next_run_at = now + seconds if is_wanted else None
        job.retry_at, job.retry_count = None, 0
        job.save(update_fields=["enabled", "schedule", "next_run_at", "retry_at", "retry_count"])
        if not is_wanted:
            drop_waiting(job, now)


def _follow_zone(now: int) -> None:
    """Times that were reckoned in another zone than the present one."""
    zone = current_zone()
    stale = CronJob.objects.filter(next_run_at__isnull=False).exclude(zone=zone.key)
    for job_id in list(stale.values_list("pk", flat=True)):
        with write_transaction():
            try:
                job = lock_job(job_id)
            except CronJobNotFound:
                continue
            if job.next_run_at is not None and job.next_run_at > now:
                schedule = stored_schedule(job.schedule)
                job.next_run_at = moved_time(schedule, job.next_run_at, now=now, zone=zone)
            job.zone = zone.key
            job.save(update_fields=["next_run_at", "zone"])
