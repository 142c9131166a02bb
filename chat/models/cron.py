"""Prompts that are run by time, and what became of each time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q

from accounts.models import new_id
from chat.models.sessions import sees_all_sessions

if TYPE_CHECKING:
    from accounts.principals import Principal


class CronJobQuerySet(models.QuerySet["CronJob"]):
    def visible_to(self, principal: Principal) -> CronJobQuerySet:
        """Your own; administrators, and the caller of a fresh install, see everybody's."""
        if sees_all_sessions(principal):
            return self
        if principal.user_id is None:
            return self.none()
        return self.filter(owner=principal.user_id)


class CronJob(models.Model):
    """A prompt with a schedule. All times are Unix seconds, as on the wire."""

    class SessionMode(models.TextChoices):
        ISOLATED = "isolated"  # a new session for each run
        MAIN = "main"  # all in the session with the key `main`

    class Overlap(models.TextChoices):
        SKIP = "skip"  # while a run is under way, a time that comes is let pass
        QUEUE = "queue"  # it waits for the run before it
        PARALLEL = "parallel"  # it runs beside it

    id = models.CharField(primary_key=True, max_length=36, default=new_id, editable=False)
    name = models.CharField(max_length=200)
    prompt = models.TextField()
    schedule = models.JSONField()  # {"kind": "interval" | "cron" | "one_shot", …}
    enabled = models.BooleanField(default=True)
    delete_after_run = models.BooleanField(default=False)
    session_mode = models.CharField(
        max_length=10, choices=SessionMode, default=SessionMode.ISOLATED
    )
    overlap = models.CharField(max_length=10, choices=Overlap, default=Overlap.SKIP)
    # Whether a time that passed while nothing ran is made up for, once.
    catches_up = models.BooleanField(default=True)
    owner = models.CharField(max_length=36, blank=True, default="")  # a user; "": the assistant's
    max_retries = models.IntegerField(default=3)
    timeout_secs = models.IntegerField(default=7200)
    last_run_at = models.BigIntegerField(null=True, blank=True)
    next_run_at = models.BigIntegerField(null=True, blank=True)
    zone = models.CharField(max_length=64, blank=True, default="")  # in which that was reckoned
    retry_count = models.IntegerField(default=0)
    retry_at = models.BigIntegerField(null=True, blank=True)
    last_error = models.TextField(blank=True, default="")
    created_at = models.BigIntegerField()
    created_by = models.CharField(max_length=200, blank=True, default="")
    # As Exchange has them: what the credential that made the job was allowed (NULL: whatever its
    # owner is), and whose spending limit its runs use up.
    granted = models.JSONField(null=True, blank=True)
    api_key_id = models.CharField(max_length=36, blank=True, default="")

    objects = CronJobQuerySet.as_manager()

    class Meta:
        constraints = [
            # chat.cron.jobs catches this violation: a name is one job of its owner.
            models.UniqueConstraint(name="cron_job_name_once", fields=["owner", "name"]),
        ]
        indexes = [
            # chat.cron.firing: what is due, and when the next one is.
            models.Index(
                fields=["next_run_at"],
                name="cron_job_next",
                condition=Q(enabled=True, next_run_at__isnull=False),
            ),
            models.Index(
                fields=["retry_at"], name="cron_job_retry", condition=Q(retry_at__isnull=False)
            ),
        ]
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class CronRunQuerySet(models.QuerySet["CronRun"]):
    def open(self) -> CronRunQuerySet:
        """Under way, or waiting to be."""
        return self.filter(status__in=[CronRun.Status.PENDING, CronRun.Status.RUNNING])

    def running(self) -> CronRunQuerySet:
        return self.filter(status=CronRun.Status.RUNNING)

    def newest_first(self) -> CronRunQuerySet:
        return self.order_by("-due_at", "-attempt", "-id")


class CronRun(models.Model):
    """One time of a job: the record of what it did. Times are Unix seconds."""

    class Status(models.TextChoices):
        PENDING = "pending"  # due, waiting for a slot or for the run before it
        RUNNING = "running"
        SUCCESS = "success"
        FAILED = "failed"
        SKIPPED = "skipped"  # let pass: the run before it was under way, or there was nothing to do

    id = models.CharField(primary_key=True, max_length=36, default=new_id, editable=False)
    job = models.ForeignKey(CronJob, null=True, on_delete=models.CASCADE, related_name="runs")
    due_at = models.BigIntegerField()  # the time it is for
    # 0 is the regular one, then come its retries. Below 0: started by hand.
    attempt = models.IntegerField(default=0)
    started_at = models.BigIntegerField(null=True, blank=True)
    completed_at = models.BigIntegerField(null=True, blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    result_summary = models.TextField(blank=True, default="")
    session_id = models.CharField(max_length=36, blank=True, default="")
    run_id = models.CharField(max_length=64, blank=True, default="")

    objects = CronRunQuerySet.as_manager()

    class Meta:
        constraints = [
            # chat.cron.firing trusts it: of two schedulers one makes the record, and the run.
            models.UniqueConstraint(name="cron_run_once", fields=["job", "due_at", "attempt"]),
        ]
        indexes = [
            # A job's runs, newest first.
            models.Index(fields=["job", "-due_at"], name="cron_run_newest"),
            # What holds a slot, and what waits for one.
            models.Index(fields=["job"], name="cron_run_running", condition=Q(status="running")),
            models.Index(
                fields=["due_at", "attempt"], name="cron_run_waiting", condition=Q(status="pending")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.job_id} at {self.due_at}"
