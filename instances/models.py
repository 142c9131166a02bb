"""What the backend said last about each instance, every change of status, and how it fared."""

from django.db import models
from django.db.models import Q

from instances.objects import Health, Status

STATUSES = [(status.value, status.value) for status in Status]


class Instance(models.Model):
    """A memory, not the truth: that is the backend's. Rows stay when the backend forgets theirs."""

    id = models.CharField(primary_key=True, max_length=128)
    backend = models.CharField(max_length=10)  # `Backend.kind` of who runs it
    place = models.CharField(max_length=16, blank=True, default="")  # `Backend.place`
    name = models.CharField(max_length=200, blank=True, default="")
    region = models.CharField(max_length=200, blank=True, default="")
    #: What we make of it: what the backend says, or `error` while its heartbeat is stale.
    status = models.CharField(max_length=10, choices=STATUSES)
    reported_status = models.CharField(max_length=10, choices=STATUSES)
    why = models.CharField(max_length=500, blank=True, default="")  # it has this status
    web_url = models.CharField(max_length=500, blank=True, default="")
    created_at = models.BigIntegerField()  # Unix seconds, the backend's words
    updated_at = models.BigIntegerField()
    is_listed = models.BooleanField(default=True)  # the backend still knows it
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    status_since = models.DateTimeField()
    #: When it was last seen to begin: created, continued or restarted. Empty: before our time.
    started_at = models.DateTimeField(null=True, blank=True)
    stale_since = models.DateTimeField(null=True, blank=True)  # by the monitor's judgement
    #: Since when the monitor restarts it no more; until it recovers, or somebody restarts it.
    given_up_at = models.DateTimeField(null=True, blank=True)
    # The last health there was; all of it or nothing.
    cpu_percent = models.FloatField(null=True, blank=True)
    memory_mb = models.BigIntegerField(null=True, blank=True)
    disk_mb = models.BigIntegerField(null=True, blank=True)
    last_heartbeat = models.BigIntegerField(null=True, blank=True)  # Unix seconds
    uptime_secs = models.BigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ("created_at", "id")
        constraints = (
            models.CheckConstraint(
                name="instance_health_is_whole",
                condition=Q(
                    cpu_percent=None,
                    memory_mb=None,
                    disk_mb=None,
                    last_heartbeat=None,
                    uptime_secs=None,
                )
                | Q(
                    cpu_percent__isnull=False,
                    memory_mb__isnull=False,
                    disk_mb__isnull=False,
                    last_heartbeat__isnull=False,
                    uptime_secs__isnull=False,
                ),
            ),
        )

    def __str__(self) -> str:
        return self.name or self.id

    @property
    def health(self) -> Health | None:
        if self.last_heartbeat is None:
            return None
        assert self.cpu_percent is not None  # all of it or nothing
        assert self.memory_mb is not None
        assert self.disk_mb is not None
        assert self.uptime_secs is not None
        return Health(
            cpu_percent=self.cpu_percent,
            memory_mb=self.memory_mb,
            disk_mb=self.disk_mb,
            last_heartbeat=self.last_heartbeat,
            uptime_secs=self.uptime_secs,
        )


class StatusChange(models.Model):
    """One change of status, and what it came from. Never changed; forgotten by age."""

    class Cause(models.TextChoices):
        APPEARED = "appeared"  # the backend lists it for the first time, or again
        DISAPPEARED = "disappeared"  # the backend does not list it any more
        REPORTED = "reported"  # the backend says so
        COMMAND = "command"  # somebody created, paused, restarted or killed it through us
        STALE = "stale"  # its heartbeat is too old
        RECOVERED = "recovered"  # its heartbeat is fresh again

    instance = models.ForeignKey(Instance, models.CASCADE, related_name="changes")
    at = models.DateTimeField(db_index=True)  # retention deletes by age alone
    previous = models.CharField(max_length=10, blank=True, choices=STATUSES)  # "": none before
    status = models.CharField(max_length=10, choices=STATUSES)
    cause = models.CharField(max_length=12, choices=Cause)
    detail = models.CharField(max_length=500, blank=True, default="")
    actor = models.CharField(max_length=200, blank=True, default="")  # of a command

    class Meta:
        ordering = ("-at", "-id")
        indexes = (
            # The newest changes of one instance, for its page.
            models.Index(fields=["instance", "-at"], name="instance_changes"),
        )

    def __str__(self) -> str:
        return f"{self.instance_id}: {self.previous or 'new'} → {self.status}"


class RestartAttempt(models.Model):
    """The monitor restarted an instance, or tried. From these follow back-off and cap.

    The row is there before the backend is asked, as a failure, so that a crash in between counts.
    """

    instance = models.ForeignKey(Instance, models.CASCADE, related_name="restart_attempts")
    at = models.DateTimeField(db_index=True)  # retention deletes by age alone
    succeeded = models.BooleanField()  # the backend took the command
    error = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        ordering = ("-at", "-id")
        indexes = (models.Index(fields=["instance", "-at"], name="instance_restarts"),)

    def __str__(self) -> str:
        return f"{self.instance_id}: {'restarted' if self.succeeded else 'not restarted'}"


class HealthSample(models.Model):
    """How an instance fared at one poll. Kept for as long as the settings say."""

    instance = models.ForeignKey(Instance, models.CASCADE, related_name="samples")
    at = models.DateTimeField(db_index=True)  # retention deletes by age alone
    cpu_percent = models.FloatField()
    memory_mb = models.BigIntegerField()
    disk_mb = models.BigIntegerField()
    heartbeat_age = models.BigIntegerField()  # seconds; negative when the clocks differ

    class Meta:
        ordering = ("-at",)
        indexes = (models.Index(fields=["instance", "-at"], name="instance_samples"),)

    def __str__(self) -> str:
        return f"{self.instance_id} at {self.at:%H:%M:%S}"
